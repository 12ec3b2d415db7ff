// Package keys has the fields that several protocols share, with the names that the semantic conventions of
// OpenTelemetry give them. Each name is one key.
package keys

import "github.com/pidwire/pidwire/internal/event"

// Fields of databases.
var (
	System     = &event.Key{Name: "db.system.name", Form: event.FormQuiet}
	Operation  = &event.Key{Name: "db.operation.name", Form: event.FormQuiet}
	Summary    = &event.Key{Name: "db.query.summary", Form: event.FormQuiet}
	Query      = &event.Key{Name: "db.query.text", Form: event.FormQuiet}
	Collection = &event.Key{Name: "db.collection.name", Form: event.FormQuiet}
	Namespace  = &event.Key{Name: "db.namespace", Form: event.FormQuiet}
	Status     = &event.Key{Name: "db.response.status_code", Form: event.FormQuiet}
	Affected   = &event.Key{Name: "db.response.affected_rows", Label: "affected", Form: event.FormInt}
	Rows       = &event.Key{Name: "db.response.returned_rows", Label: "rows", Form: event.FormInt}
)

// Fields of messaging systems.
var (
	MessagingSystem      = &event.Key{Name: "messaging.system", Form: event.FormQuiet}
	MessagingOperation   = &event.Key{Name: "messaging.operation.name", Form: event.FormQuiet}
	MessagingDestination = &event.Key{Name: "messaging.destination.name", Form: event.FormQuiet}
	MessagingClient      = &event.Key{Name: "messaging.client.id", Form: event.FormQuiet}
	MessagingBody        = &event.Key{Name: "messaging.message.body.size", Form: event.FormBytes}
)

// Fields of remote procedure calls.
var (
	RPCSystem  = &event.Key{Name: "rpc.system", Form: event.FormQuiet}
	RPCService = &event.Key{Name: "rpc.service", Form: event.FormQuiet}
	RPCMethod  = &event.Key{Name: "rpc.method", Form: event.FormQuiet}
)

// Fields of anything.
var (
	User = &event.Key{Name: "user.name", Form: event.FormQuiet}
)
