//go:build linux

package ftrace

import (
	"encoding/binary"
	"errors"
	"reflect"
	"slices"
	"testing"
)

const (
	pageText = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n" +
		"\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n" +
		"\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n" +
		"\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;\n"
	common = "format:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n" +
		"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
	// Formats of Linux 5.10.
	entry5 = "name: funcgraph_entry\nID: 11\n" + common +
		"\tfield:unsigned long func;\toffset:8;\tsize:8;\tsigned:0;\n\tfield:int depth;\toffset:16;\tsize:4;\tsigned:1;\n"
	exit5 = "name: funcgraph_exit\nID: 10\n" + common +
		"\tfield:unsigned long func;\toffset:8;\tsize:8;\tsigned:0;\n\tfield:unsigned long overrun;\toffset:16;\tsize:8;\tsigned:0;\n" +
		"\tfield:unsigned long long calltime;\toffset:24;\tsize:8;\tsigned:0;\n\tfield:unsigned long long rettime;\toffset:32;\tsize:8;\tsigned:0;\n" +
		"\tfield:int depth;\toffset:40;\tsize:4;\tsigned:1;\n"
	// Formats of Linux 7.2.
	entry7 = "name: funcgraph_entry\nID: 11\n" + common +
		"\tfield:unsigned long func;\toffset:8;\tsize:8;\tsigned:0;\n\tfield:unsigned long depth;\toffset:16;\tsize:8;\tsigned:0;\n" +
		"\tfield:unsigned long args[];\toffset:24;\tsize:0;\tsigned:0;\n"
	exit7 = "name: funcgraph_exit\nID: 10\n" + common +
		"\tfield:unsigned long func;\toffset:8;\tsize:8;\tsigned:0;\n\tfield:unsigned int depth;\toffset:16;\tsize:4;\tsigned:0;\n" +
		"\tfield:unsigned int overrun;\toffset:20;\tsize:4;\tsigned:0;\n\tfield:unsigned long long calltime;\toffset:24;\tsize:8;\tsigned:0;\n" +
		"\tfield:unsigned long long rettime;\toffset:32;\tsize:8;\tsigned:0;\n"
)

func layoutOf(t testing.TB, entry, exit string) *layout {
	t.Helper()
	var l layout
	if err := l.parsePage(pageText); err != nil {
		t.Fatal(err)
	}
	var err error
	if l.enter, err = parseFormat(entry, "common_pid", "func", "depth"); err != nil {
		t.Fatal(err)
	}
	if l.leave, err = parseFormat(exit, "common_pid", "func", "depth", "calltime", "rettime"); err != nil {
		t.Fatal(err)
	}
	return &l
}

// writer writes a page like kernel/trace/ring_buffer.c.
type writer struct{ b []byte }

func (w *writer) word(v uint32) { w.b = binary.LittleEndian.AppendUint32(w.b, v) }

func (w *writer) event(delta uint32, data []byte) {
	if len(data) <= 112 {
		w.word(delta<<5 | uint32(len(data)/4))
	} else {
		w.word(delta << 5)
		w.word(uint32(len(data) + 4))
	}
	w.b = append(w.b, data...)
}

func (w *writer) page(at, commit uint64, behind ...byte) []byte {
	p := binary.LittleEndian.AppendUint64(nil, at)
	p = binary.LittleEndian.AppendUint64(p, commit|uint64(len(w.b)))
	p = append(append(p, w.b...), behind...)
	return append(p, make([]byte, 4096-len(p))...)
}

// of returns the data of an event in the format.
func (f *format) of(fn uint64, tid, depth uint32, call, ret uint64) []byte {
	b := make([]byte, (max(f.n, f.depth+4)+3)&^3)
	binary.LittleEndian.PutUint16(b, f.id)
	binary.LittleEndian.PutUint32(b[f.pid:], tid)
	binary.LittleEndian.PutUint64(b[f.fn:], fn)
	binary.LittleEndian.PutUint32(b[f.depth:], depth)
	if f.calltime > 0 {
		binary.LittleEndian.PutUint64(b[f.calltime:], call)
		binary.LittleEndian.PutUint64(b[f.rettime:], ret)
	}
	return b
}

func TestPage(t *testing.T) {
	for name, l := range map[string]*layout{"5.10": layoutOf(t, entry5, exit5), "7.2": layoutOf(t, entry7, exit7)} {
		t.Run(name, func(t *testing.T) {
			const start = 1<<60 | 1000
			var w writer
			w.event(5, l.enter.of(0xa0, 7, 0, 0, 0))
			w.event(3, l.enter.of(0xb0, 7, 1, 0, 0))
			w.event(4, l.leave.of(0xb0, 7, 1, 100, 104))
			w.event(1, l.enter.of(0xc0, 9, 0, 0, 0)) // of another thread
			w.event(1, make([]byte, 200))            // of another type, long
			w.word(2<<5 | typeTimeExtend)
			w.word(1)
			w.word(6<<5 | typePadding) // an event that was discarded
			w.word(8)
			w.word(0)
			w.event(0, l.leave.of(0xa0, 7, 0, 90, 120))
			w.word(77<<5 | typeTimeStamp)
			w.word(2)
			w.event(0, l.leave.of(0xc0, 9, 0, 130, 120)) // the clock has gone backwards
			got, lost, err := l.page(w.page(start, 0), 3, nil)
			at := func(d uint64) uint64 { return start + d }
			const stamp = 1<<60 | 2<<27 | 77 // bits from 59 on are taken from the previous time
			want := []Event{
				{Time: at(5), Func: 0xa0, TID: 7, CPU: 3, Kind: Enter},
				{Time: at(8), Func: 0xb0, TID: 7, CPU: 3, Depth: 1, Dur: 4, Kind: Leaf},
				{Time: at(13), Func: 0xc0, TID: 9, CPU: 3, Kind: Enter},
				{Time: at(14 + 2 + 1<<27 + 6), Func: 0xa0, TID: 7, CPU: 3, Dur: 30, Kind: Leave},
				{Time: stamp, Func: 0xc0, TID: 9, CPU: 3, Kind: Leave},
			}
			if err != nil || lost != 0 || !reflect.DeepEqual(got, want) {
				t.Errorf("%v, lost %d\n%+v\nwant\n%+v", err, lost, got, want)
			}
		})
	}
}

// TestPageLost checks the number of lost events: that of the kernel, or 1 if it does not
// give one.
func TestPageLost(t *testing.T) {
	l := layoutOf(t, entry5, exit5)
	var w writer
	w.event(0, l.enter.of(0xa0, 7, 0, 0, 0))
	for commit, want := range map[uint64]uint64{missedEvents: 1, missedEvents | missedStored: 46} {
		got, lost, err := l.page(w.page(1000, commit, 46, 0, 0, 0, 0, 0, 0, 0), 0, nil)
		if err != nil || lost != want || len(got) != 1 {
			t.Errorf("commit %#x: %v, lost %d, %d events", commit, err, lost, len(got))
		}
	}
}

func TestPageBad(t *testing.T) {
	l := layoutOf(t, entry5, exit5)
	long := func(words ...uint32) []byte {
		var w writer
		w.event(0, l.enter.of(0xa0, 7, 0, 0, 0))
		for _, v := range words {
			w.word(v)
		}
		return w.page(1000, 0)
	}
	tooMuch := make([]byte, 4096)
	binary.LittleEndian.PutUint64(tooMuch[8:], 4081)
	for name, p := range map[string][]byte{
		"short": make([]byte, 15), "commit": tooMuch, "event": long(20), "length": long(0, 3), "length too": long(0, 1<<31), "padding": long(1<<5|typePadding, 1<<31),
	} {
		list, _, err := l.page(p, 0, nil)
		if !errors.Is(err, errPage) {
			t.Errorf("%s: %v", name, err)
		}
		if want := 1; name != "short" && name != "commit" && len(list) != want {
			t.Errorf("%s: %d events, want those before it", name, len(list))
		}
	}
	for _, text := range []string{"", "\tfield: local_t commit;\toffset:8;\tsize:4;\n", pageText[:60], "field: char data; offset:99999999999; size:1;"} {
		if err := new(layout).parsePage(text); err == nil {
			t.Errorf("a page as %q", text)
		}
	}
	for _, text := range []string{"", "ID: x\n", entry5[:120], "ID: 11\n" + common} {
		if _, err := parseFormat(text, "common_pid", "func", "depth"); err == nil {
			t.Errorf("a format as %q", text)
		}
	}
}

// TestNext checks that Next returns events up to the given time, and later ones not yet.
func TestNext(t *testing.T) {
	tr := Tracer{events: []Event{{Time: 1}, {Time: 2, CPU: 1}, {Time: 5}}}
	var got []uint64
	for _, upTo := range []uint64{0, 2, 4, 9} {
		for {
			e, ok := tr.Next(upTo)
			if !ok {
				break
			}
			got = append(got, upTo, e.Time)
		}
	}
	if want := []uint64{2, 1, 2, 2, 9, 5}; !slices.Equal(got, want) {
		t.Errorf("%d, want %d", got, want)
	}
}

func FuzzPage(f *testing.F) {
	l := layoutOf(f, entry7, exit7)
	var w writer
	w.event(5, l.enter.of(0xa0, 7, 0, 0, 0))
	w.event(4, l.leave.of(0xa0, 7, 0, 100, 104))
	f.Add(w.page(1000, 0))
	f.Add(w.page(1000, missedEvents|missedStored, 1))
	f.Fuzz(func(t *testing.T, p []byte) {
		list, _, _ := l.page(p, 0, nil)
		// An event has at least 28 bytes.
		if len(list) > len(p)/28+1 {
			t.Errorf("%d events in %d bytes", len(list), len(p))
		}
	})
}

func BenchmarkPage(b *testing.B) {
	l := layoutOf(b, entry5, exit5)
	var w writer
	n := 0
	for len(w.b) < 3900 {
		w.event(5, l.enter.of(0xa0, 7, 0, 0, 0))
		w.event(5, l.enter.of(0xb0, 7, 1, 0, 0))
		w.event(5, l.leave.of(0xb0, 7, 1, 100, 104))
		n += 3
	}
	p := w.page(1000, 0)
	var list []Event
	b.ReportAllocs()
	for b.Loop() {
		list, _, _ = l.page(p, 0, list[:0])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
}
