// Package proctest is a fake machine for tests: its /proc, its cgroup tree and the state of its
// containers.
package proctest

import (
	_ "embed"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

//go:embed machine.txtar
var tree []byte

// The containers on the machine.
const (
	DockerID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	PodmanID = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
)

// Machine writes the files of the machine, and returns the root of its /proc.
func Machine(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	ar := txtar.Parse(tree)
	escapes := strings.NewReplacer(`\0`, "\x00", `\x7f`, "\x7f", `\x01`, "\x01", `\x02`, "\x02", "$ROOT", root)
	for _, f := range ar.Files {
		name, target, link := strings.Cut(f.Name, " -> ")
		file := filepath.Join(root, name)
		err := os.MkdirAll(filepath.Dir(file), 0o755)
		if err != nil {
			t.Fatal(err)
		}
		if link {
			err = os.Symlink(escapes.Replace(target), file)
		} else {
			text := escapes.Replace(string(f.Data))
			if strings.HasSuffix(name, "/cmdline") || strings.HasPrefix(name, "bin/") {
				text = strings.TrimSuffix(text, "\n")
			}
			err = os.WriteFile(file, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(root, "proc")
}
