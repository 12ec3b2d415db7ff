// Package docs holds the documents that ship inside the program.
package docs

import _ "embed"

// Schema is the JSON Schema of the lines that --json writes.
//
//go:embed schema.json
var Schema []byte
