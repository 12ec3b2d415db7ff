package sys

import (
	"fmt"
	"testing"

	"github.com/pidwire/pidwire/internal/foreign/keys"
)

// TestKeyOptions checks that keys.Value and keys.Named agree. The latter is used for the output
// of other tools.
func TestKeyOptions(t *testing.T) {
	secret := 0
	for i := range levels {
		l := &levels[i]
		for opt := range uint64(300) {
			want := keys.Value(uint32(l.num), uint32(opt))
			if want {
				secret++
			}
			for _, level := range []string{fmt.Sprint(l.num), fmt.Sprintf("%#x /* SOL_??? */", l.num), sockLevels.Name(l.num)} {
				if got := keys.Named(level, fmt.Sprint(opt)); got != want && level != "" {
					t.Errorf("%s %d: %v, want %v", level, opt, got, want)
				}
				if name := l.names.Name(opt); name != "" && keys.Named(level, name) != want {
					t.Errorf("%s %s: %v, want %v", level, name, !want, want)
				}
			}
		}
	}
	if secret != 12 {
		t.Errorf("%d options hold keys, want 12", secret)
	}
}
