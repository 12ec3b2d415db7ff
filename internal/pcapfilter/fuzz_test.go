package pcapfilter_test

import (
	"errors"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/pidwire/pidwire/internal/pcapfilter"
)

// FuzzCompile checks that any expression gives either an error with a position,
// or a program that assembles, runs and translates to eBPF.
func FuzzCompile(f *testing.F) {
	for _, list := range [][]string{expressions, wrong, wrongHere, unknownHosts} {
		for _, expr := range list {
			f.Add(expr)
		}
	}
	all := packets()
	some := [][]byte{all[0], all[1], all[len(all)-1], all[len(all)-2], {0x45}}
	f.Fuzz(func(t *testing.T, expr string) {
		prog, err := pcapfilter.Compile(expr)
		if err != nil {
			var e *pcapfilter.SyntaxError
			if !errors.As(err, &e) || prog != nil {
				t.Fatalf("%v, %v", prog, err)
			}
			if e.Offset < 0 || e.Offset+len(e.Word) > len(expr) || expr[e.Offset:e.Offset+len(e.Word)] != e.Word {
				t.Fatalf("the error does not say where: %#v", e)
			}
			return
		}
		if prog == nil {
			return
		}
		if len(prog) >= 4096 {
			t.Fatalf("%d instructions", len(prog))
		}
		if _, err := bpf.Assemble(prog); err != nil {
			t.Fatal(err)
		}
		m := vm(t, expr, prog)
		for _, p := range some {
			if n, err := m.Run(p); err != nil || n != 0 && n != 0xffffffff {
				t.Fatalf("%d, %v", n, err)
			}
		}
		if _, err := pcapfilter.EBPF(prog); err != nil && len(prog) < 2500 {
			t.Fatal(err)
		}
	})
}

func BenchmarkCompile(b *testing.B) {
	for name, expr := range map[string]string{
		"host":  "host 10.0.0.1",
		"ports": "tcp port 80 or 443 or 8080 and not host 10.0.0.1",
		"flags": "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and not src and dst net 10",
		"data":  "tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				prog, err := pcapfilter.Compile(expr)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := pcapfilter.EBPF(prog); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
