package capture_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/sink/pcapng"
	"github.com/pidwire/pidwire/internal/source/capture"
	"github.com/pidwire/pidwire/internal/wire"
)

// need skips the test if a tool is not installed, unless PIDWIRE_MUST is set.
func need(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		_, err := exec.LookPath(tool)
		switch {
		case err == nil:
		case os.Getenv("PIDWIRE_MUST") != "":
			t.Fatalf("PIDWIRE_MUST is set: %v", err)
		default:
			t.Skip(err)
		}
	}
}

// tool runs a tool of Wireshark on files, and returns the file that it writes.
func tool(t *testing.T, name string, args []string, files ...[]byte) []byte {
	t.Helper()
	dir := t.TempDir()
	for i, b := range files {
		file := filepath.Join(dir, string(rune('a'+i)))
		if err := os.WriteFile(file, b, 0o666); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	out := filepath.Join(dir, "out")
	if name == "mergecap" {
		args = append([]string{"-w", out}, args...)
	} else {
		args = append(args, out)
	}
	if msg, err := exec.Command(name, args...).CombinedOutput(); err != nil || len(msg) > 0 {
		t.Fatalf("%s %v: %v\n%s", name, args, err, msg)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func ours(t *testing.T, file string) ([]byte, wire.Header, []wire.Record) {
	t.Helper()
	h, recs := recording(t, file)
	return written(t, h, recs, 0, pcapng.Options{Header: prologue(t, h), Start: int64(h.Wall), Comment: "pidwire"}), h, recs
}

// TestEditcap checks that a copy by editcap has all records.
func TestEditcap(t *testing.T) {
	need(t, "editcap")
	for _, file := range recordings(t) {
		b, h, recs := ours(t, file)
		s, err := capture.New(bytes.NewReader(tool(t, "editcap", nil, b)), "")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(prologue(t, s.Header()), prologue(t, h)) {
			t.Errorf("%s: another header: %+v", file, s.Header())
		}
		compare(t, file, records(t, s), recs)
	}
	// Without its first row the packets are still there.
	b, _, recs := ours(t, "../../../testdata/rec/udp-64-packets.pidwire")
	want := 0
	for _, r := range recs {
		if r.Kind() == wire.KindPacket {
			want++
		}
	}
	s, err := capture.New(bytes.NewReader(withoutFirstRow(t, b)), "")
	if err != nil {
		t.Fatal(err)
	}
	text := show(s.Header(), records(t, s))
	if n := strings.Count(text, " packet "); n != want || strings.Count(text, "PIDWIRE_HEADER") != 1 || !strings.Contains(text, "note level=1 socket(") {
		t.Errorf("without its first row it has %d packets, want %d:\n%s", n, want, text)
	}
}

// withoutFirstRow returns a file without its first row.
func withoutFirstRow(t *testing.T, b []byte) []byte {
	t.Helper()
	for at := 0; at < len(b); {
		n := int(binary.LittleEndian.Uint32(b[at+4:]))
		if binary.LittleEndian.Uint32(b[at:]) == 9 {
			return append(bytes.Clone(b[:at]), b[at+n:]...)
		}
		at += n
	}
	t.Fatal("no row")
	return nil
}

// TestMergecap checks that from a file of two runs the packets of both are read, and
// the records of one are not interpreted with the header of the other.
func TestMergecap(t *testing.T) {
	need(t, "mergecap")
	a, _, recsA := ours(t, "../../../testdata/rec/udp-64-packets.pidwire")
	b, _, recsB := ours(t, "../../../testdata/rec/tcp6-64-packets.pidwire")
	want := 0
	for _, r := range append(recsA, recsB...) {
		if r.Kind() == wire.KindPacket {
			want++
		}
	}
	s, err := capture.New(bytes.NewReader(tool(t, "mergecap", nil, a, b)), "")
	if err != nil {
		t.Fatal(err)
	}
	text := show(s.Header(), records(t, s))
	if n := strings.Count(text, " packet "); n != want || strings.Count(text, "PIDWIRE_HEADER") != 1 {
		t.Errorf("%d packets, want %d:\n%s", n, want, text)
	}
}

// TestFormats converts captures to other formats with editcap, and checks that each has the
// same packets.
func TestFormats(t *testing.T) {
	need(t, "editcap")
	files, err := filepath.Glob("../../decode/pkt/testdata/*.pcap")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d captures: %v", len(files), err)
	}
	packets := func(b []byte) string {
		s, err := capture.New(bytes.NewReader(b), "")
		if err != nil {
			t.Fatal(err)
		}
		// In pcapng, interfaces have numbers.
		return strings.ReplaceAll(show(s.Header(), records(t, s)), "if=1", "if=0")
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want := packets(b)
		for _, format := range []string{"pcap", "nsecpcap", "pcapng"} {
			if got := packets(tool(t, "editcap", []string{"-F", format}, b)); got != want {
				t.Errorf("%s as %s:\n got %.1000s\nwant %.1000s", file, format, got, want)
			}
		}
	}
}
