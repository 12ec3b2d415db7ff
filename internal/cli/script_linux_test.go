package cli_test

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/pidwire/pidwire/docs"
	"github.com/pidwire/pidwire/internal/cli"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/wire"
)

var update = flag.Bool("update", false, "write what is compared in the scripts again")

func TestMain(m *testing.M) {
	program := func() { os.Exit(cli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr)) }
	testscript.Main(m, map[string]func(){"pidwire": program, "pidwire-exec": program, "pidwire-rest": program})
}

// TestScripts runs the program as a user does. In addition to those of testscript, the
// scripts have these commands:
//
//	exits CODE PROGRAM [ARG...]   run a program, and check its exit code
//	nobody CODE [ARG...]          the same with pidwire, as an unprivileged user
//	recording KIND FILE           write a recording: see recordings
//	harmless FILE                 check that a file has no characters that a terminal would obey
//	schema FILE                   check that all lines match docs/schema.json, and that the last is an end
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("TZ", "UTC")
			rec, err := filepath.Abs("../../testdata/rec")
			env.Setenv("REC", rec)
			env.Setenv("SAMPLES", filepath.Join(rec, "../emulator"))
			env.Setenv("SAID", filepath.Join(rec, "../said"))
			if err != nil {
				return err
			}
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, errors.New("unknown condition " + cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "nobody": nobody, "recording": recording, "harmless": harmless, "schema": schema, "zstd": compress, "damage": damage,
		},
	})
}

// compress compresses a file with zstd.
func compress(ts *testscript.TestScript, neg bool, args []string) {
	z, err := zstd.NewWriter(nil)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), z.EncodeAll([]byte(ts.ReadFile(args[0])), nil), 0o600))
}

// damage flips a bit in the middle of a file.
func damage(ts *testscript.TestScript, neg bool, args []string) {
	b := []byte(ts.ReadFile(args[0]))
	b[len(b)/2] ^= 0x20
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var ee *exec.ExitError
		if !errors.As(err, &ee) {
			ts.Fatalf("%v", err)
		}
		got = ee.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// nobody copies the program to a directory where every user may execute it, and runs it as an unprivileged user.
func nobody(ts *testscript.TestScript, neg bool, args []string) {
	dir, err := os.MkdirTemp("", "pidwire-nobody")
	ts.Check(err)
	ts.Defer(func() { os.RemoveAll(dir) })
	ts.Check(os.Chmod(dir, 0o755))
	self, err := os.Executable()
	ts.Check(err)
	in, err := os.Open(self)
	ts.Check(err)
	defer in.Close()
	program := filepath.Join(dir, "pidwire")
	// Without the lock, a child that another script forks would have the file open for
	// writing until its exec, and executing the file would fail with ETXTBSY.
	syscall.ForkLock.RLock()
	out, err := os.OpenFile(program, os.O_CREATE|os.O_WRONLY, 0o755)
	if err == nil {
		_, err = io.Copy(out, in)
		err = errors.Join(err, out.Close())
	}
	syscall.ForkLock.RUnlock()
	ts.Check(err)
	exits(ts, neg, append([]string{args[0], "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program}, args[1:]...))
}

func harmless(ts *testscript.TestScript, neg bool, args []string) {
	text := ts.ReadFile(args[0])
	if text == "" {
		ts.Fatalf("%s is empty", args[0])
	}
	if !utf8.ValidString(text) {
		ts.Fatalf("%s is not UTF-8", args[0])
	}
	for line := range strings.Lines(text) {
		for _, r := range strings.TrimSuffix(line, "\n") {
			if clean.Hidden(r) {
				ts.Fatalf("%U in %q", r, line)
			}
		}
	}
}

func schema(ts *testscript.TestScript, neg bool, args []string) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(docs.Schema))
	ts.Check(err)
	c := jsonschema.NewCompiler()
	ts.Check(c.AddResource("schema.json", doc))
	s, err := c.Compile("schema.json")
	ts.Check(err)
	last := ""
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		if err == nil {
			err = s.Validate(v)
		}
		if err != nil {
			ts.Fatalf("%v\n%s", err, line)
		}
		last, _ = v.(map[string]any)["type"].(string)
	}
	if last != "end" && last != "layer" {
		ts.Fatalf("the last line is of type %q", last)
	}
}

// recorder writes synthetic records. Its clock advances by 1 ms per record.
type recorder struct {
	b    bytes.Buffer
	w    *wire.Writer
	mono uint64
	comm string
	pid  uint32
}

const mono0 = 1_000_000_000

func newRecorder(ts *testscript.TestScript, h wire.Header) *recorder {
	r := &recorder{mono: mono0, comm: "server", pid: 4711}
	h.Arch, h.StrLen, h.Mono, h.Wall = "amd64", 64, mono0, 1_700_000_000_000_000_000
	var err error
	r.w, err = wire.NewWriter(&r.b, h)
	ts.Check(err)
	return r
}

func (r *recorder) hdr(kind uint16) wire.Hdr {
	r.mono += 1_000_000
	return wire.Hdr{Kind: kind, Layer: wire.LayerSys, Time: r.mono}
}

func (r *recorder) write(rec wire.Record) {
	if err := r.w.Write(rec); err != nil {
		panic(err) // cannot happen with a bytes.Buffer
	}
}

func (r *recorder) proc(what uint8, code uint32, attrs []byte) {
	p := wire.Proc{H: r.hdr(wire.KindProc), Start: 5_000_000_000, Pid: r.pid, Tid: r.pid, Nspid: r.pid, Uid: 1000, What: what, Code: code, Attrs: uint16(len(attrs))}
	copy(p.Comm[:15], r.comm)
	r.write(wire.Seal(append(p.Append(nil), attrs...)))
}

func (r *recorder) found(s wire.Sock, path string) {
	attrs := []byte(nil)
	if path != "" {
		attrs = wire.AppendAttr(nil, wire.TagName, path)
	}
	p := wire.Socksnap{H: r.hdr(wire.KindSock), Start: 5_000_000_000, Pid: r.pid, Attrs: uint16(len(attrs))}
	r.write(wire.Seal(append(s.Append(p.Append(nil)), attrs...)))
}

func (r *recorder) user(uid uint32, name string) {
	attrs := wire.AppendAttr(nil, wire.TagName, name)
	n := wire.Name{H: r.hdr(wire.KindName), What: wire.NameUser, Id: uid, Attrs: uint16(len(attrs))}
	r.write(wire.Seal(append(n.Append(nil), attrs...)))
}

func (r *recorder) note(text string) {
	attrs := wire.AppendAttr(nil, wire.TagText, text)
	n := wire.Note{H: r.hdr(wire.KindNote), Level: wire.NoteDegraded, Attrs: uint16(len(attrs))}
	r.write(wire.Seal(append(n.Append(nil), attrs...)))
}

// mem is a part of the memory of the process.
type mem struct {
	addr  uint64
	phase uint8
	data  string
}

type call struct {
	abi      uint8
	nr       uint32
	ret      int64
	args     [6]uint64
	socks    []wire.Sock
	mem      []mem
	flags    uint8
	duration uint64
}

func (r *recorder) call(c call) {
	if c.abi == 0 {
		c.abi = wire.AbiX8664
	}
	if c.duration == 0 {
		c.duration = 9_000
	}
	var chunks []byte
	for _, m := range c.mem {
		chunks = wire.AppendChunk(chunks, wire.Chunk{Addr: m.addr, Phase: m.phase}, []byte(m.data))
	}
	h := r.hdr(wire.KindSyscall)
	s := wire.Syscall{
		H: h, Enter: h.Time - c.duration, Start: 5_000_000_000, Ret: c.ret, Args: c.args, Pid: r.pid, Tid: r.pid, Nspid: r.pid, Nstid: r.pid,
		Uid: 1000, Nr: c.nr, Abi: c.abi, Flags: c.flags, Nsock: uint8(len(c.socks)), Chunks: uint32(len(chunks)),
	}
	copy(s.Comm[:15], r.comm)
	b := s.Append(nil)
	for i := range c.socks {
		b = c.socks[i].Append(b)
	}
	r.write(wire.Seal(append(b, chunks...)))
}

func (r *recorder) end(reason uint32) {
	e := wire.End{H: r.hdr(wire.KindEnd), Reason: reason}
	r.write(wire.Seal(e.Append(nil)))
}

func (r *recorder) lost(n uint64) {
	l := wire.Lost{H: r.hdr(wire.KindLost), Count: n, Reason: wire.LostRing}
	r.write(wire.Seal(l.Append(nil)))
}

func tcpSock(fd int32, cookie uint64, state uint8) wire.Sock {
	s := wire.Sock{Cookie: cookie, Ino: 600 + cookie, Netns: 4026531840, Fd: fd, Family: 2, Type: 1, Protocol: 6, State: state}
	switch state {
	case 10:
		s.Lport = 8080
	case 1:
		s.Lport, s.Rport = 8080, 40000
		copy(s.Laddr[:], []byte{10, 0, 2, 15})
		copy(s.Raddr[:], []byte{10, 0, 2, 2})
	}
	return s
}

const (
	request  = "GET / HTTP/1.0\r\n\r\n"
	response = "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello, world: 64 bytes of it ..."
)

// serve writes the events of most recordings: a request is answered, a
// connection is refused, a 32-bit program creates a socket.
func (r *recorder) serve() {
	listener, child := tcpSock(3, 70, 10), tcpSock(5, 71, 1)
	born := child
	born.Flags = wire.SockNew | wire.SockResult
	closing := child
	closing.Flags = wire.SockEnter
	refused := tcpSock(6, 72, 7)

	r.user(1000, "alice")
	r.proc(wire.ProcFound, 0, wire.AppendAttr(wire.AppendAttr(nil, wire.TagExe, "/usr/bin/server"), wire.TagArgv, "server\x00--port\x008080"))
	r.found(listener, "")
	r.call(call{nr: 288, ret: 5, args: [6]uint64{3, 0, 0, 0x80000}, socks: []wire.Sock{listener, born}})
	r.call(call{nr: 45, ret: int64(len(request)), args: [6]uint64{5, 0x7000, 4096}, socks: []wire.Sock{child}, mem: []mem{{0x7000, wire.PhaseExit, request}}, duration: 400_000})
	r.call(call{nr: 44, ret: int64(len(response)), args: [6]uint64{5, 0x8000, uint64(len(response)), 0x4000}, socks: []wire.Sock{child}, mem: []mem{{0x8000, wire.PhaseExit, response}}})
	r.call(call{nr: 42, ret: -111, args: [6]uint64{6, 0x9000, 16}, socks: []wire.Sock{refused}, mem: []mem{{0x9000, wire.PhaseEnter, "\x02\x00\x00\x50\x0a\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00"}}})
	r.call(call{nr: 3, args: [6]uint64{5}, socks: []wire.Sock{closing}})
	r.pid, r.comm = 4712, "old"
	r.call(call{abi: wire.AbiI386, nr: 359, ret: -97, args: [6]uint64{10, 2, 0}})
	r.pid, r.comm = 4711, "server"
	r.proc(wire.ProcExit, 3<<8, nil)
}

// hostile writes records with control characters in all names that a process can choose.
func (r *recorder) hostile() {
	evil := "\x1b[31m\x9b\u202e\n\r\u200b\x00\xff\x07"
	r.comm = "\x1b]0;p\x07\n\u202e"
	r.user(1000, evil)
	r.proc(wire.ProcFound, 0, wire.AppendAttr(wire.AppendAttr(nil, wire.TagExe, "/tmp/"+evil), wire.TagArgv, evil))
	unix := wire.Sock{Ino: 800, Fd: 3, Family: 1, Type: 1}
	r.found(unix, "\x00"+evil)
	r.note("note " + evil)
	r.proc(wire.ProcExec, 0, wire.AppendAttr(wire.AppendAttr(wire.AppendAttr(nil, wire.TagExe, "/tmp/"+evil), wire.TagArgv, evil), wire.TagCgroup, "/"+evil))
	r.call(call{nr: 44, ret: int64(len(evil)), args: [6]uint64{3, 0x8000, uint64(len(evil))}, socks: []wire.Sock{unix}, mem: []mem{{0x8000, wire.PhaseExit, evil}}})
	path := "\x01\x00/tmp/" + strings.ReplaceAll(evil, "\x00", "") + "\x00"
	r.call(call{nr: 42, ret: -2, args: [6]uint64{3, 0x9000, uint64(len(path))}, socks: []wire.Sock{unix}, mem: []mem{{0x9000, wire.PhaseEnter, path}}})
	r.proc(wire.ProcExit, 9, nil)
}

// recordings are the KINDs of the command recording.
var recordings = map[string]func(ts *testscript.TestScript) []byte{
	"good": func(ts *testscript.TestScript) []byte {
		r := newRecorder(ts, wire.Header{Version: wire.WireVersion})
		r.serve()
		r.end(wire.EndTargets)
		return r.bytes(ts)
	},
	"hostile": func(ts *testscript.TestScript) []byte {
		r := newRecorder(ts, wire.Header{Version: wire.WireVersion, Host: "\x1b", Command: []string{"\x1b"}})
		r.hostile()
		r.end(wire.EndDetached)
		return r.bytes(ts)
	},
	"lost": func(ts *testscript.TestScript) []byte {
		r := newRecorder(ts, wire.Header{Version: wire.WireVersion})
		r.serve()
		r.lost(1024)
		r.end(wire.EndDetached)
		return r.bytes(ts)
	},
	"waiting": func(ts *testscript.TestScript) []byte {
		r := newRecorder(ts, wire.Header{Version: wire.WireVersion})
		listener := tcpSock(3, 70, 10)
		r.call(call{nr: 288, args: [6]uint64{3, 0, 0, 0}, socks: []wire.Sock{listener}, flags: wire.CallWaiting, duration: 500_000})
		r.call(call{nr: 288, ret: -4, args: [6]uint64{3, 0, 0, 0}, socks: []wire.Sock{listener}, duration: 1_500_000})
		r.end(wire.EndDetached)
		return r.bytes(ts)
	},
	// Killed between two blocks.
	"unclosed": func(ts *testscript.TestScript) []byte {
		r := newRecorder(ts, wire.Header{Version: wire.WireVersion})
		r.serve()
		return r.bytes(ts)
	},
	// Killed inside its only block: all but the last record.
	"cut": func(ts *testscript.TestScript) []byte {
		r := newRecorder(ts, wire.Header{Version: wire.WireVersion})
		r.serve()
		b := r.bytes(ts)
		return b[:len(b)-5]
	},
	// A byte of its second block, which begins at about offset 1000, is changed.
	"damaged": func(ts *testscript.TestScript) []byte {
		r := newRecorder(ts, wire.Header{Version: wire.WireVersion})
		r.serve()
		first := len(r.bytes(ts))
		r.serve()
		b := r.bytes(ts)
		ts.Setenv("OFFSET", strconv.Itoa(first))
		b[first+100] ^= 0x10
		return b
	},
	"newer": func(ts *testscript.TestScript) []byte {
		b := newRecorder(ts, wire.Header{Version: wire.WireVersion}).bytes(ts)
		b[8] = 99
		return b
	},
	"newer-records": func(ts *testscript.TestScript) []byte {
		return newRecorder(ts, wire.Header{Version: wire.WireVersion + 1}).bytes(ts)
	},
	"big": func(ts *testscript.TestScript) []byte {
		r := newRecorder(ts, wire.Header{Version: wire.WireVersion})
		for range 5000 {
			r.serve()
		}
		r.end(wire.EndDetached)
		return r.bytes(ts)
	},
}

func (r *recorder) bytes(ts *testscript.TestScript) []byte {
	ts.Check(r.w.Flush())
	return bytes.Clone(r.b.Bytes())
}

func recording(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || recordings[args[0]] == nil {
		ts.Fatalf("usage: recording KIND FILE")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), recordings[args[0]](ts), 0o644))
}
