package sys

import (
	"bufio"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/notation"
	"github.com/pidwire/pidwire/internal/wire"
)

var update = flag.Bool("update", false, "write what is printed as want lines, where it is not strace's line")

// record builds the record of a call.
type record struct {
	wire.Syscall
	socks  []byte
	chunks []byte
}

func (r *record) mem(phase uint8, addr uint64, b []byte) *record {
	r.chunks = wire.AppendChunk(r.chunks, wire.Chunk{Addr: addr, Phase: phase}, b)
	return r
}

func (r *record) fault(phase uint8, addr uint64, n uint32) *record {
	r.chunks = wire.AppendChunk(r.chunks, wire.Chunk{Addr: addr, Len: n, Phase: phase, Flags: wire.ChunkFault}, nil)
	return r
}

func (r *record) sock(s wire.Sock) *record {
	r.socks = s.Append(r.socks)
	r.Nsock++
	return r
}

func newDecoder() *Decoder {
	d := New(wire.Header{Arch: "amd64", StrLen: 4096})
	for id, name := range []string{1: "lo", 2: "ifb0", 3: "ifb1", 4: "eth0"} {
		if name != "" {
			d.Learn(wire.NameIface, 0, uint32(id), name)
		}
	}
	return d
}

func (r *record) decode(t testing.TB) *event.Call {
	t.Helper()
	c, _ := newDecoder().Syscall(&r.Syscall, r.socks, r.chunks)
	return c
}

func (r *record) line(t testing.TB, o *notation.Options) string {
	t.Helper()
	return string(notation.AppendCall(nil, r.decode(t), o))
}

// TestOracle decodes real calls and compares the text with that of strace 6.1. The files in
// testdata/oracle have the calls, their memory and strace's text, and a want line if pidwire's
// text differs on purpose. They are made by testdata/oracle/src/make.py.
func TestOracle(t *testing.T) {
	files, _ := filepath.Glob("testdata/oracle/*.txt")
	if len(files) == 0 {
		t.Fatal("no files")
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) { oracle(t, f) })
	}
}

func oracle(t *testing.T, name string) {
	in, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	o := &notation.Options{Verbose: strings.Contains(name, "verbose")}
	var (
		r    record
		out  strings.Builder
		last string
		bad  int
	)
	s := bufio.NewScanner(strings.NewReader(string(in)))
	s.Buffer(nil, 1<<22)
	finish := func() {
		if last == "" {
			return
		}
		text, want, _ := strings.Cut(last, "\nwant ")
		if want == "" {
			want = text
		}
		got := r.line(t, o)
		if *update {
			want = got
		}
		if got != want {
			bad++
			if bad <= 400 {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		}
		fmt.Fprintf(&out, "line %s\n", text)
		if want != text {
			fmt.Fprintf(&out, "want %s\n", want)
		}
		out.WriteByte('\n')
		last = ""
	}
	for s.Scan() {
		line := s.Text()
		f := strings.Fields(line)
		if len(f) == 0 {
			finish()
			continue
		}
		switch f[0] {
		case "call":
			r = record{}
			abis := map[string]uint8{"x86_64": wire.AbiX8664, "i386": wire.AbiI386}
			r.Abi = abis[f[1]]
			fmt.Sscan(f[2], &r.Nr)
			fmt.Sscan(f[3], &r.Sub)
			fmt.Sscan(f[4], &r.Ret)
			for i := range r.Args {
				fmt.Sscanf(f[5+i], "%x", &r.Args[i])
			}
		case "sock":
			var w wire.Sock
			fmt.Sscan(strings.Join(f[1:5], " "), &w.Fd, &w.Family, &w.Type, &w.Protocol)
			r.sock(w)
		case "enter", "exit", "both":
			var addr uint64
			fmt.Sscanf(f[1], "%x", &addr)
			b, err := hex.DecodeString(f[2])
			if err != nil {
				t.Fatal(err)
			}
			if f[0] != "exit" {
				r.mem(wire.PhaseEnter, addr, b)
			}
			if f[0] != "enter" {
				r.mem(wire.PhaseExit, addr, b)
			}
			if addr < 0x10010000 && addr+uint64(len(b)) == 0x10010000 {
				r.fault(wire.PhaseEnter, 0x10010000, 4096)
				r.fault(wire.PhaseExit, 0x10010000, 4096)
			}
		case "line":
			last = strings.TrimPrefix(line, "line ")
			continue
		case "want":
			last += "\n" + line
			continue
		}
		out.WriteString(line)
		out.WriteByte('\n')
	}
	finish()
	if *update {
		if err := os.WriteFile(name, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if bad > 0 {
		t.Errorf("%d lines differ", bad)
	}
}
