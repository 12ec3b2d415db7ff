package sourcetest

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Alone waits until no other test, of any package, uses a resource that the machine has only once,
// such as audit. It keeps the resource until the test ends.
func Alone(t *testing.T, what string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "pidwire-test-"+what+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
}
