package cli

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// resolver looks up the names of addresses in DNS without blocking the caller: a
// later call returns the name.
type resolver struct {
	mu    sync.Mutex
	names map[netip.Addr]string // empty string: no answer, or none yet
	busy  chan struct{}         // semaphore of the running queries
	ask   func(context.Context, string) ([]string, error)
}

const (
	maxNames     = 8192
	maxQuestions = 8
	answerWithin = 2 * time.Second
)

func newResolver() *resolver {
	return &resolver{names: map[netip.Addr]string{}, busy: make(chan struct{}, maxQuestions), ask: net.DefaultResolver.LookupAddr}
}

// name returns the known name of an address, or an empty string. It starts a query if
// there was none for that address.
func (r *resolver) name(a netip.Addr) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	name, asked := r.names[a]
	if asked || len(r.names) >= maxNames {
		return name
	}
	select {
	case r.busy <- struct{}{}:
	default:
		return "" // too many queries are running; a later call tries again
	}
	r.names[a] = ""
	go func() {
		defer func() { <-r.busy }()
		ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
		defer cancel()
		list, err := r.ask(ctx, a.String())
		if err != nil || len(list) == 0 {
			return
		}
		r.mu.Lock()
		r.names[a] = strings.TrimSuffix(list[0], ".")
		r.mu.Unlock()
	}()
	return ""
}
