package cli

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"
)

// TestResolver checks that name does not block, and that each address is queried once.
func TestResolver(t *testing.T) {
	r := newResolver()
	asked := make(chan string, 100)
	hold := make(chan struct{})
	r.ask = func(_ context.Context, a string) ([]string, error) {
		asked <- a
		<-hold
		if a == "192.0.2.2" {
			return nil, errors.New("no such name")
		}
		return []string{"host.example.", "other.example."}, nil
	}
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for range 3 {
		if r.name(one) != "" || r.name(two) != "" {
			t.Error("a name before it was answered")
		}
	}
	close(hold)
	for limit := time.Now().Add(5 * time.Second); r.name(one) == "" && time.Now().Before(limit); {
		time.Sleep(time.Millisecond)
	}
	if n := r.name(one); n != "host.example" {
		t.Errorf("%q", n)
	}
	if n := r.name(two); n != "" {
		t.Errorf("%q for what has no name", n)
	}
	if len(asked) != 2 {
		t.Errorf("%d questions, want 2", len(asked))
	}
	for i := range maxQuestions * 3 {
		r.name(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))
	}
	if len(r.names) > maxQuestions*3+2 {
		t.Errorf("%d addresses", len(r.names))
	}
}
