package cli

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// resolver asks DNS for the names of addresses, without making anybody wait: a
// name is there when it is asked for again.
type resolver struct {
	mu    sync.Mutex
	names map[netip.Addr]string // empty: asked, and not answered
	busy  chan struct{}         // a place for each question on its way
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

// name returns what is known of an address, and asks if nothing is.
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
		return "" // another time
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
