package capture_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/pidwire/pidwire/internal/bounded"
	"github.com/pidwire/pidwire/internal/decode"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/flow"
	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/sink/jsonl"
	"github.com/pidwire/pidwire/internal/sink/pcapng"
	"github.com/pidwire/pidwire/internal/sink/rotate"
	"github.com/pidwire/pidwire/internal/sink/text"
	"github.com/pidwire/pidwire/internal/source/capture"
	"github.com/pidwire/pidwire/internal/source/replay"
	"github.com/pidwire/pidwire/internal/wire"
)

// prologue returns a header as files of sink/pcapng have it.
func prologue(t testing.TB, h wire.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := wire.NewWriter(&b, h); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type source interface {
	Header() wire.Header
	Run(context.Context, func(wire.Record) error) error
}

// records returns all records of a source.
func records(t testing.TB, s source) []wire.Record {
	t.Helper()
	recs, err := run(s)
	if err != nil {
		t.Fatal(err)
	}
	return recs
}

func run(s source) (recs []wire.Record, err error) {
	err = s.Run(context.Background(), func(r wire.Record) error {
		if r != nil {
			recs = append(recs, bytes.Clone(r))
		}
		return nil
	})
	return recs, err
}

// feed writes records to a sink, as the pipeline does, and flushes it after every flush
// records.
func feed(t testing.TB, s sink.Sink, h wire.Header, recs []wire.Record, flush int) {
	t.Helper()
	dec, join := decode.New(h), flow.New(new(bounded.Room))
	for i, r := range recs {
		var e event.Entry
		dec.Record(r, &e.Event)
		join.Add(&e)
		if err := s.Write(&e); err != nil {
			t.Fatal(err)
		}
		if flush > 0 && i%flush == flush-1 {
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func written(t testing.TB, h wire.Header, recs []wire.Record, flush int, o pcapng.Options) []byte {
	t.Helper()
	var b bytes.Buffer
	s, err := pcapng.New(&b, o)
	if err != nil {
		t.Fatal(err)
	}
	feed(t, s, h, recs, flush)
	return b.Bytes()
}

func recording(t testing.TB, file string) (wire.Header, []wire.Record) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	src, err := replay.New(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return src.Header(), records(t, src)
}

func recordings(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("../../../testdata/rec/*.pidwire")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d recordings: %v", len(files), err)
	}
	return files
}

// TestRoundTrip writes every recording as pcapng and reads that, and checks that the records
// are the same, byte by byte, and so is the header.
func TestRoundTrip(t *testing.T) {
	kinds := map[uint16]int{}
	for _, file := range recordings(t) {
		h, recs := recording(t, file)
		for _, flush := range []int{0, 1, 7} {
			for _, byDevice := range []bool{false, true} {
				b := written(t, h, recs, flush, pcapng.Options{
					Comment: "pidwire test", Header: prologue(t, h), Start: int64(h.Wall), ByDevice: byDevice,
				})
				src, err := capture.New(bytes.NewReader(b), file)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(prologue(t, src.Header()), prologue(t, h)) {
					t.Errorf("%s: the header reads %+v, want %+v", file, src.Header(), h)
				}
				compare(t, filepath.Base(file), records(t, src), recs)
			}
		}
		for _, r := range recs {
			kinds[r.Kind()]++
		}
	}
	t.Logf("records by kind: %v", kinds)
}

func compare(t *testing.T, name string, got, want []wire.Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d records, want %d", name, len(got), len(want))
	}
	bad := 0
	for i := range min(len(got), len(want)) {
		if !bytes.Equal(got[i], want[i]) {
			if bad++; bad > 3 {
				return
			}
			t.Errorf("%s: record %d\n got %x\nwant %x", name, i, []byte(got[i]), []byte(want[i]))
		}
	}
}

// TestRotated checks that every file of a run can be opened alone: it has the
// header, the state so far, and its part of the packets.
func TestRotated(t *testing.T) {
	h, recs := recording(t, "../../../testdata/rec/tcp-64-packets.pidwire")
	var files []*bytes.Buffer
	known := pcapng.NewPreamble()
	s, err := rotate.New(rotate.Options{
		Name: "x", Size: 8000,
		Open: func(string, rotate.Place) (io.WriteCloser, error) {
			files = append(files, &bytes.Buffer{})
			return file{files[len(files)-1]}, nil
		},
		Make: func(w io.Writer) (sink.Sink, error) {
			return pcapng.New(w, pcapng.Options{Header: prologue(t, h), Start: int64(h.Wall), Preamble: known})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	feed(t, s, h, recs, 0)
	if len(files) < 4 {
		t.Fatalf("%d files", len(files))
	}
	count := func(recs []wire.Record, kind uint16) (n int) {
		for _, r := range recs {
			if r.Kind() == kind {
				n++
			}
		}
		return n
	}
	packets, calls := 0, 0
	var all []byte
	for i, f := range files {
		src, err := capture.New(bytes.NewReader(f.Bytes()), "")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(prologue(t, src.Header()), prologue(t, h)) {
			t.Errorf("file %d has another header", i)
		}
		got := records(t, src)
		packets += count(got, wire.KindPacket)
		calls += count(got, wire.KindSyscall)
		if n := count(got, wire.KindProc); n == 0 {
			t.Errorf("file %d has no process", i)
		}
		if n, want := count(got, wire.KindSock), count(recs, wire.KindSock); i > 0 && n > want {
			t.Errorf("file %d has %d sockets, the recording %d", i, n, want)
		}
		for _, r := range got[:min(len(got), 20)] {
			var p wire.Proc
			if i > 0 && i < len(files)-1 && r.Kind() == wire.KindProc && p.Unmarshal(r) && p.What != wire.ProcFound {
				t.Errorf("file %d begins with a process of event %d", i, p.What)
			}
		}
		all = append(all, f.Bytes()...)
	}
	if packets != count(recs, wire.KindPacket) || calls != count(recs, wire.KindSyscall) {
		t.Errorf("%d packets and %d calls, want %d and %d", packets, calls, count(recs, wire.KindPacket), count(recs, wire.KindSyscall))
	}
	// Concatenated, they are a file of several sections.
	src, err := capture.New(bytes.NewReader(all), "")
	if err != nil {
		t.Fatal(err)
	}
	got := records(t, src)
	if n := count(got, wire.KindPacket); n != packets || count(got, wire.KindNote) != count(recs, wire.KindNote) {
		t.Errorf("all in one: %d packets, want %d", n, packets)
	}
}

type file struct{ *bytes.Buffer }

func (file) Close() error { return nil }

// TestLines checks that a file is printed like the live run, as lines and as JSON.
func TestLines(t *testing.T) {
	for _, name := range recordings(t) {
		h, recs := recording(t, name)
		b := written(t, h, recs, 3, pcapng.Options{Header: prologue(t, h)})
		for form, make := range map[string]func(w io.Writer) sink.Sink{
			"lines": func(w io.Writer) sink.Sink { return text.New(w, text.Options{Start: int64(h.Wall)}) },
			"JSON":  func(w io.Writer) sink.Sink { return jsonl.New(w, jsonl.Options{Start: int64(h.Wall)}) },
		} {
			var got, want bytes.Buffer
			src, err := capture.New(bytes.NewReader(b), "")
			if err != nil {
				t.Fatal(err)
			}
			feed(t, make(&want), h, recs, 0)
			feed(t, make(&got), src.Header(), records(t, src), 0)
			if !bytes.Equal(got.Bytes(), want.Bytes()) || got.Len() == 0 {
				t.Errorf("%s: the %s differ", name, form)
			}
		}
	}
}
