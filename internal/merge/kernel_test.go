package merge_test

import (
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/merge"
	"github.com/pidwire/pidwire/internal/wire"
)

// did returns a kernel event in the call of a thread, or in a softirq.
func did(at uint64, context uint8, onTID uint32) wire.Record {
	k := wire.Kernel{
		H:     wire.Hdr{Kind: wire.KindKernel, Layer: wire.LayerKrn, Time: at},
		Owner: wire.Owner{Pid: 200, Tid: 201}, Event: wire.EventSkbCopy, Context: context, OnTid: onTID,
	}
	return wire.Seal(k.Append(nil))
}

// walked returns a function in the call of a thread: emitted at its end, with the time of its
// entry.
func walked(at uint64) wire.Record {
	f := wire.Func{H: wire.Hdr{Kind: wire.KindFunc, Layer: wire.LayerKrn, Time: at}, Owner: wire.Owner{Pid: 200, Tid: 201}, What: wire.FuncLeaf}
	return wire.Seal(f.Append(nil))
}

// stacked is did in task context, with a stack.
func stacked(at uint64) wire.Record {
	r := did(at, wire.ContextTask, 0)
	r[wire.OffKernelNkstack] = 1
	return r
}

// TestDoing checks that kernel events within a call follow the call, wherever it is placed, and
// that all others are at their own time.
func TestDoing(t *testing.T) {
	const task, softirq = wire.ContextTask, wire.ContextSoftirq
	for name, test := range map[string]struct {
		in   []wire.Record
		want string
	}{
		"receives": {[]wire.Record{did(1005*ms, task, 0), did(1006*ms, task, 0), call("recvfrom", 1001*ms, 1010*ms)}, "1@1010 16@1005 16@1006"},
		"sends":    {[]wire.Record{did(1005*ms, task, 0), call("sendto", 1001*ms, 1010*ms), did(1011*ms, task, 0)}, "1@1010 16@1005 16@1011"},
		"in a softirq": {[]wire.Record{did(1005*ms, softirq, 7), did(1006*ms, task, 0), call("recvfrom", 1001*ms, 1010*ms)},
			"16@1005 1@1010 16@1006"},
		"by another thread": {[]wire.Record{did(1005*ms, task, 7), call("recvfrom", 1001*ms, 1010*ms)}, "16@1005 1@1010"},
		"before the call":   {[]wire.Record{did(1000*ms, task, 0), did(1006*ms, task, 0), call("recvfrom", 1001*ms, 1010*ms)}, "16@1000 1@1010 16@1006"},
		"of two calls": {[]wire.Record{did(1002*ms, task, 0), call("recvfrom", 1001*ms, 1003*ms), did(1005*ms, task, 0), call("recvfrom", 1004*ms, 1010*ms)},
			"1@1003 16@1002 1@1010 16@1005"},
		"in a function that is told of later": {[]wire.Record{did(1006*ms, task, 0), walked(1005 * ms), did(1007*ms, task, 0), call("recvfrom", 1001*ms, 1010*ms)},
			"1@1010 18@1005 16@1006 16@1007"},
		"of a call that takes long": {[]wire.Record{did(1002*ms, task, 0), did(1090*ms, task, 0), call("recvfrom", 1001*ms, 1100*ms)},
			"16@1002 1@1100 16@1090"},
		"a tree of a call that takes long": {[]wire.Record{walked(1002 * ms), did(1003*ms, task, 0), walked(1700 * ms), call("recvfrom", 1001*ms, 1800*ms)},
			"1@1800 18@1002 16@1003 18@1700"},
		"stacks of a call that takes long": {[]wire.Record{stacked(1002 * ms), did(1003*ms, task, 0), call("recvfrom", 1001*ms, 1800*ms)},
			"1@1800 16@1002 16@1003"},
		"a tree of a call that takes very long": {[]wire.Record{walked(1002 * ms), did(2100*ms, softirq, 7), walked(2150 * ms), call("recvfrom", 1001*ms, 2200*ms)},
			"18@1002 16@2100 1@2200 18@2150"},
	} {
		words, _ := merged(t, test.in...)
		if got := strings.Join(words, " "); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

// TestDoingBounded checks the bounds for events of one call, and for the number of threads.
func TestDoingBounded(t *testing.T) {
	n := 0
	m := merge.New(func(wire.Record) error { n++; return nil })
	const each, threads, functions = 4000, 6000, 30000
	for i := range uint32(functions) { // on more threads than all may hold back together
		r := walked(990 * ms)
		r[wire.OffFuncOwner+wire.OffOwnerTid] = byte(i % 200)
		if err := m.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if n < functions/3 || n == functions {
		t.Errorf("of %d functions %d came out early", functions, n)
	}
	for i := range uint64(each) {
		if err := m.Add(did(1000*ms+i, wire.ContextTask, 0)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range uint32(threads) {
		r := did(1001*ms+uint64(i), wire.ContextTask, 0)
		r[wire.OffKernelOwner+wire.OffOwnerTid], r[wire.OffKernelOwner+wire.OffOwnerTid+1] = byte(i), byte(i>>8)
		if err := m.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Flush(); err != nil {
		t.Fatal(err)
	}
	if n != each+threads+functions {
		t.Errorf("%d records came out of %d", n, each+threads+functions)
	}
}

func BenchmarkDoing(b *testing.B) {
	m := merge.New(func(wire.Record) error { return nil })
	c := call("recvfrom", 0, 0)
	e := did(0, wire.ContextTask, 0)
	set := func(r wire.Record, at int, v uint64) {
		for i := range 8 {
			r[at+i] = byte(v >> (8 * i))
		}
	}
	b.ReportAllocs()
	for i := range uint64(b.N) {
		at := 1000*ms + i*10_000
		for j := range uint64(4) {
			set(e, wire.OffHdrTime, at+j)
			if err := m.Add(e); err != nil {
				b.Fatal(err)
			}
		}
		set(c, wire.OffSyscallEnter, at)
		set(c, wire.OffHdrTime, at+5000)
		if err := m.Add(c); err != nil {
			b.Fatal(err)
		}
	}
}
