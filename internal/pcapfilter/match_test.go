package pcapfilter_test

import (
	"testing"

	"github.com/pidwire/pidwire/internal/pcapfilter"
)

// TestMatch compares Match with bpf.VM on packets that were captured whole. For
// truncated packets it checks that "len" is the length on the wire.
func TestMatch(t *testing.T) {
	all, matches := packets(), 0
	for _, expr := range expressions {
		prog, err := pcapfilter.Compile(expr)
		if err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
		if prog == nil {
			continue
		}
		m := vm(t, expr, prog)
		for _, p := range all {
			n, err := m.Run(p)
			if got := pcapfilter.Match(prog, p, uint32(len(p))); got != (err == nil && n != 0) {
				t.Errorf("%s: %v on %x, the VM says %d, %v", expr, got, p, n, err)
			} else if got {
				matches++
			}
		}
	}
	if matches < 1000 {
		t.Errorf("%d matches", matches)
	}
	prog, err := pcapfilter.Compile("greater 1000")
	if err != nil {
		t.Fatal(err)
	}
	if data := make([]byte, 40); !pcapfilter.Match(prog, data, 1500) || pcapfilter.Match(prog, data, 999) {
		t.Error("a length is not that on the wire")
	}
	if !pcapfilter.Match(nil, nil, 0) {
		t.Error("no program does not match")
	}
}

func BenchmarkMatch(b *testing.B) {
	prog, err := pcapfilter.Compile("tcp port 80 or 443")
	if err != nil {
		b.Fatal(err)
	}
	p := packets()[0]
	for b.Loop() {
		pcapfilter.Match(prog, p, uint32(len(p)))
	}
}
