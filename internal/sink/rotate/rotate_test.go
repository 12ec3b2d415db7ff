package rotate_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pidwire/pidwire/internal/decode"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/sink/pcapng"
	"github.com/pidwire/pidwire/internal/sink/rotate"
	"github.com/pidwire/pidwire/internal/sink/sinktest"
	"github.com/pidwire/pidwire/internal/sink/text"
	"github.com/pidwire/pidwire/internal/wire"
)

const start = 1_700_000_000 * int64(time.Second) // 2023-11-14 22:13:20 UTC

// disk has the files of a test.
type disk struct {
	files  map[string]*file
	opened []string
	fail   int // number of files that can be opened; negative: no limit
}

type file struct {
	bytes.Buffer
	closed int
}

func (f *file) Close() error { f.closed++; return nil }

var errOpen = errors.New("permission denied")

func (d *disk) open(name string, _ rotate.Place) (io.WriteCloser, error) {
	if len(d.opened) == d.fail {
		return nil, errOpen
	}
	f := &file{}
	if d.files == nil {
		d.files = map[string]*file{}
	}
	d.files[name] = f
	d.opened = append(d.opened, name)
	return f, nil
}

// lines is a sink that writes the Seq of each entry.
type lines struct {
	w io.Writer
	b []byte
}

func (l *lines) Write(e *event.Entry) error { l.b = fmt.Appendf(l.b, "%7d\n", e.Seq); return nil }
func (l *lines) Flush() error               { _, err := l.w.Write(l.b); l.b = l.b[:0]; return err }
func (l *lines) Close() error               { return l.Flush() }

func newLines(w io.Writer) (sink.Sink, error) { return &lines{w: w}, nil }

// sized is a sink with a method Size.
type sized struct {
	lines
	n int64
}

func (s *sized) Write(e *event.Entry) error { s.n += 8; return s.lines.Write(e) }
func (s *sized) Size() int64                { return s.n }

func newSized(w io.Writer) (sink.Sink, error) { return &sized{lines: lines{w: w}}, nil }

func entry(seq uint64, second int64) *event.Entry {
	return &event.Entry{Event: event.Event{Seq: seq, Time: start + second*int64(time.Second), Body: &event.Note{}}}
}

func TestContract(t *testing.T) {
	sinktest.Run(t, func(w io.Writer) sink.Sink {
		s, err := rotate.New(rotate.Options{
			Name: "x", Size: 1 << 40, Every: time.Hour, Start: start,
			Open: func(string, rotate.Place) (io.WriteCloser, error) { return noClose{w}, nil },
			Make: func(w io.Writer) (sink.Sink, error) { return text.New(w, text.Options{}), nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}, sinktest.Options{})
}

type noClose struct{ io.Writer }

func (noClose) Close() error { return nil }

func TestNames(t *testing.T) {
	for _, c := range []struct {
		o     rotate.Options
		n     int   // entries
		step  int64 // seconds between them
		names string
		last  string // contents of the last file
		done  bool
	}{
		{rotate.Options{Name: "x"}, 50, 1, "x", "", false},
		{rotate.Options{Name: "x", Count: 3}, 50, 1, "x", "", false},
		// A file ends after the entry with which it exceeds 24 bytes.
		{rotate.Options{Name: "x", Size: 24}, 14, 1, "x x1 x2 x3", "13 14", false},
		{rotate.Options{Name: "x", Size: 24, Count: 3}, 14, 1, "x0 x1 x2 x0", "13 14", false},
		{rotate.Options{Name: "x", Size: 24, Count: 10}, 14, 1, "x0 x1 x2 x3", "13 14", false},
		{rotate.Options{Name: "x", Size: 24, Count: 11}, 14, 1, "x00 x01 x02 x03", "13 14", false},
		{rotate.Options{Name: "x", Size: 24, Count: 1}, 14, 1, "x x x x", "13 14", false},
		{rotate.Options{Name: "x%M%S", Every: 4 * time.Second}, 14, 1, "x1320 x1324 x1328 x1332", "13 14", false},
		{rotate.Options{Name: "x", Every: 4 * time.Second}, 14, 1, "x x x x", "13 14", false},
		{rotate.Options{Name: "x%S", Every: 4 * time.Second}, 3, 60, "x20 x20 x20", "3", false},
		{rotate.Options{Name: "x%S", Every: 4 * time.Second, Count: 3}, 14, 1, "x20 x24 x28", "9 10 11 12", true},
		{rotate.Options{Name: "x%S", Every: 4 * time.Second, Count: 1}, 14, 1, "x20", "1 2 3 4", true},
		{rotate.Options{Name: "x%S.", Every: 6 * time.Second, Size: 8}, 14, 1, "x20. x20.1 x20.2 x26. x26.1 x26.2 x32.", "13 14", false},
		{rotate.Options{Name: "x%S.", Every: 6 * time.Second, Size: 8, Count: 2}, 14, 1, "x20.0 x20.1 x20.0 x26.0 x26.1 x26.0 x32.0", "13 14", false},
		{rotate.Options{Name: "%Y%%", Size: 8}, 1, 1, "%Y%%", "1", false},
	} {
		var d disk
		d.fail = -1
		c.o.Open, c.o.Make, c.o.Start = d.open, newSized, start
		s, err := rotate.New(c.o)
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.n {
			if err = s.Write(entry(uint64(i+1), int64(i)*c.step)); err != nil {
				break
			}
		}
		if errors.Is(err, rotate.ErrDone) != c.done || err != nil && !c.done {
			t.Errorf("%+v: %v", c.o, err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%+v: Close: %v", c.o, err)
		}
		if got := strings.Join(d.opened, " "); got != c.names {
			t.Errorf("%q, size %d, every %s, count %d: files %s, want %s", c.o.Name, c.o.Size, c.o.Every, c.o.Count, got, c.names)
		}
		last := d.files[d.opened[len(d.opened)-1]]
		if got := strings.Join(strings.Fields(last.String()), " "); c.last != "" && got != c.last {
			t.Errorf("%+v: the last file has %s, want %s", c.o, got, c.last)
		}
		for name, f := range d.files {
			if f.closed != 1 {
				t.Errorf("%+v: %s was closed %d times", c.o, name, f.closed)
			}
		}
	}
}

// TestCounted checks that the written bytes are counted for a sink without a method Size.
func TestCounted(t *testing.T) {
	d := disk{fail: -1}
	s, err := rotate.New(rotate.Options{Name: "x", Size: 16, Open: d.open, Make: newLines})
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(9) {
		if err := errors.Join(s.Write(entry(i+1, 0)), s.Flush()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(d.opened, " "); got != "x x1 x2" {
		t.Errorf("files %s", got)
	}
}

// TestErrors checks that an error is returned by all later calls, and that no file stays open.
func TestErrors(t *testing.T) {
	if _, err := rotate.New(rotate.Options{Name: "x", Open: (&disk{}).open, Make: newLines}); !errors.Is(err, errOpen) {
		t.Errorf("New: %v", err)
	}
	d := disk{fail: 1}
	s, err := rotate.New(rotate.Options{Name: "x", Size: 8, Open: d.open, Make: newSized})
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(5) {
		if err = s.Write(entry(i+1, 0)); err != nil {
			break
		}
	}
	for name, err := range map[string]error{"Write": err, "again": s.Write(entry(9, 0)), "Flush": s.Flush(), "Close": s.Close()} {
		if !errors.Is(err, errOpen) {
			t.Errorf("%s, when the next file cannot be opened: %v", name, err)
		}
	}
	if f := d.files["x"]; f.closed != 1 {
		t.Errorf("the first file was closed %d times", f.closed)
	}

	errMake := errors.New("no space left on device")
	d = disk{fail: -1}
	_, err = rotate.New(rotate.Options{Name: "x", Open: d.open, Make: func(io.Writer) (sink.Sink, error) { return nil, errMake }})
	if !errors.Is(err, errMake) || d.files["x"].closed != 1 {
		t.Errorf("New, when no sink can be made: %v; closed %d times", err, d.files["x"].closed)
	}
}

// TestLargeBegin checks that files with an initial size above the limit still get entries.
func TestLargeBegin(t *testing.T) {
	d := disk{fail: -1}
	s, err := rotate.New(rotate.Options{Name: "x", Size: 8, Open: d.open, Make: func(w io.Writer) (sink.Sink, error) {
		return &sized{lines: lines{w: w}, n: 80}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(30) {
		if err := s.Write(entry(i+1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(d.opened, " "); got != "x x1 x2" {
		t.Errorf("files %s", got)
	}
}

// packets returns the records of n packets, 10 per second.
func packets(n int) []wire.Record {
	data := append([]byte{0x45, 0, 4, 0}, make([]byte, 1020)...)
	var list []wire.Record
	for i := range n {
		p := wire.Packet{
			H:   wire.Hdr{Kind: wire.KindPacket, Layer: wire.LayerPkt, Time: uint64(start) + uint64(i)*1e8 + 7},
			Len: uint32(len(data)), Caplen: uint32(len(data)),
		}
		list = append(list, wire.Seal(append(p.Append(nil), data...)))
	}
	return list
}

func feed(t *testing.T, s sink.Sink, recs []wire.Record) {
	t.Helper()
	dec := decode.New(wire.Header{Mono: uint64(start), Wall: uint64(start)})
	for _, r := range recs {
		var e event.Entry
		dec.Record(r, &e.Event)
		if err := s.Write(&e); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestOracle compares the files with those of tcpdump for the same packets, byte by byte.
func TestOracle(t *testing.T) {
	need(t, "tcpdump")
	dir := t.TempDir()
	recs := packets(5000)
	big, err := os.Create(filepath.Join(dir, "big.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	newPcap := func(w io.Writer) (sink.Sink, error) { return pcapng.NewPcap(w, 0) }
	all, err := newPcap(big)
	if err != nil {
		t.Fatal(err)
	}
	feed(t, all, recs)
	if err := big.Close(); err != nil {
		t.Fatal(err)
	}
	for _, count := range []int{0, 1, 2, 3, 10, 11, 12} {
		args := []string{"-Z", "root", "--nano", "-r", big.Name(), "-w", "x", "-C", "1"}
		if os.Getuid() != 0 {
			args = args[2:]
		}
		if count > 0 {
			args = append(args, "-W", fmt.Sprint(count))
		}
		cmd := exec.Command("tcpdump", args...)
		cmd.Dir = t.TempDir()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("tcpdump %v: %v %s", args, err, out)
		}
		names, err := filepath.Glob(filepath.Join(cmd.Dir, "*"))
		if err != nil || len(names) == 0 {
			t.Fatalf("tcpdump wrote no file: %v", err)
		}
		d := disk{fail: -1}
		s, err := rotate.New(rotate.Options{Name: "x", Size: 1e6, Count: count, Open: d.open, Make: newPcap})
		if err != nil {
			t.Fatal(err)
		}
		feed(t, s, recs)
		if len(names) != len(d.files) {
			t.Errorf("-W %d: %d files, tcpdump wrote %v", count, len(d.files), names)
		}
		for _, name := range names {
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			f := d.files[filepath.Base(name)]
			if f == nil {
				t.Errorf("-W %d: no file %s", count, filepath.Base(name))
			} else if !bytes.Equal(f.Bytes(), want) {
				t.Errorf("-W %d: %s differs from tcpdump's: %d bytes, want %d", count, filepath.Base(name), f.Len(), len(want))
			}
		}
	}
}

// need skips the test if a tool is not installed, unless PIDWIRE_MUST is set.
func need(t *testing.T, tool string) {
	t.Helper()
	_, err := exec.LookPath(tool)
	switch {
	case err == nil:
	case os.Getenv("PIDWIRE_MUST") != "":
		t.Fatalf("PIDWIRE_MUST is set: %v", err)
	default:
		t.Skip(err)
	}
}

// TestParts checks that each pcapng file of a run starts with the preamble, and that each entry
// is in one of them.
func TestParts(t *testing.T) {
	d := disk{fail: -1}
	known := pcapng.NewPreamble()
	s, err := rotate.New(rotate.Options{Name: "x", Size: 10_000, Open: d.open, Make: func(w io.Writer) (sink.Sink, error) {
		return pcapng.New(w, pcapng.Options{Header: []byte("header"), Preamble: known})
	}})
	if err != nil {
		t.Fatal(err)
	}
	attrs := wire.AppendAttr(nil, wire.TagName, "lo")
	name := wire.Name{H: wire.Hdr{Kind: wire.KindName, Time: uint64(start)}, Id: 1, What: wire.NameIface, Attrs: uint16(len(attrs))}
	feed(t, s, slices.Concat([]wire.Record{wire.Seal(append(name.Append(nil), attrs...))}, packets(50)))
	if len(d.files) < 5 {
		t.Fatalf("%d files", len(d.files))
	}
	for name, f := range d.files {
		b := f.Bytes()
		if n := bytes.Count(b, []byte("PIDWIRE_HEADER=")); n != 1 {
			t.Errorf("%s has %d headers", name, n)
		}
		if n := bytes.Count(b, []byte("PIDWIRE_RECORD=")); n != 1 {
			t.Errorf("%s has %d rows of records, want the interface's name", name, n)
		}
		if f.Len() > 11_500 {
			t.Errorf("%s has %d bytes", name, f.Len())
		}
	}
}
