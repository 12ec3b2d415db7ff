// Messages measures how fast messages are found in files, and how much memory many connections take: exchanges of
// HTTP, DNS and Redis from a recording to counts, a capture without messages with and without layer msg, and
// connections with half a message each. What messages cost a watched process measures bench/overhead, which it runs
// first, as root.
//
//	go run ./bench/messages [-n 300000] [-rounds 3] [-live=false] [-strict]
//
// pidwire reads the files on one CPU; the CPU time of the best round counts.
package main

import (
	"bufio"
	"encoding/binary"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/pidwire/pidwire/internal/wire"
)

var missed bool

func main() {
	n := flag.Int("n", 300_000, "exchanges in each recording; a capture has 5 times as many packets")
	rounds := flag.Int("rounds", 3, "runs of each, of which the best counts")
	live := flag.Bool("live", true, "run bench/overhead too")
	strict := flag.Bool("strict", false, "exit with 1 where a bound is missed")
	flag.Parse()
	dir, err := os.MkdirTemp("", "pidwire-messages-")
	if err == nil {
		err = all(dir, *n, *rounds, *live)
		os.RemoveAll(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "messages:", err)
		os.Exit(1)
	}
	if missed && *strict {
		os.Exit(1)
	}
}

// talk is an exchange of a protocol.
type talk struct {
	name        string
	ask, answer string
	datagrams   bool
	port        uint16
	bound       float64 // exchanges a second
}

var talks = []talk{
	{
		"HTTP", "GET /items/4711 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n",
		"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Mon, 30 Nov 2026 16:42:25 GMT\r\nContent-Type: application/json\r\nContent-Length: 15\r\nConnection: keep-alive\r\n\r\n{\"hello\":\"you\"}",
		false, 80, 400_000,
	},
	{
		"DNS", "\x12\x34\x01\x20\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03com\x00\x00\x01\x00\x01",
		"\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x03www\x07example\x03com\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x5d\xb8\xd8\x22",
		true, 53, 400_000, // 800,000 messages
	},
	{"Redis", "*2\r\n$3\r\nGET\r\n$9\r\nuser:4711\r\n", "$5\r\nhello\r\n", false, 6379, 300_000},
}

func all(dir string, n, rounds int, live bool) error {
	if live {
		cmd := exec.Command("go", "run", "./bench/overhead", "-rounds", strconv.Itoa(rounds), "-latency=false", "-tools", "pidwire-msg,pidwire-pkt,pidwire-w,strace", "-modes", "http,http20k,stream")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return err
		}
		fmt.Println()
	}
	pidwire := filepath.Join(dir, "pidwire")
	if out, err := exec.Command("go", "build", "-o", pidwire, "./cmd/pidwire").CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	fmt.Printf("%-44s %12s %12s %9s\n", "one CPU", "a second", "bound", "MiB held")
	for _, t := range talks {
		file := filepath.Join(dir, t.name+".pidwire")
		if err := record(file, t, n); err != nil {
			return err
		}
		r, err := best(rounds, pidwire, file, "sys,msg")
		if err != nil {
			return err
		}
		if got := strings.Fields(r.last); len(got) == 0 || got[0] != strconv.Itoa(n) {
			return fmt.Errorf("%s: %d exchanges were recorded, counted: %q", t.name, n, r.last)
		}
		row(t.name+": exchanges from a recording to counts", float64(n)/r.seconds, t.bound, r.held)
		os.Remove(file)
	}
	capture := filepath.Join(dir, "plain.pcap")
	if err := packets(capture, 5*n); err != nil {
		return err
	}
	without, err := best(rounds, pidwire, capture, "pkt")
	if err != nil {
		return err
	}
	with, err := best(rounds, pidwire, capture, "pkt,msg")
	if err != nil {
		return err
	}
	row("packets without messages, layer pkt", float64(5*n)/without.seconds, 0, without.held)
	row("the same, layers pkt,msg", float64(5*n)/with.seconds, float64(5*n)/without.seconds*0.85, with.held)
	os.Remove(capture)

	const conns = 100_000
	half := filepath.Join(dir, "half.pidwire")
	if err := halves(half, conns); err != nil {
		return err
	}
	r, err := best(1, pidwire, half, "sys,msg")
	if err != nil {
		return err
	}
	fmt.Printf("%-44s %12s %12s %9.0f\n", fmt.Sprintf("%d connections with half a message each", conns), "", "400 MiB", r.held)
	missed = missed || r.held > 400
	return nil
}

func row(what string, rate, bound, held float64) {
	verdict := ""
	if bound > 0 {
		verdict = fmt.Sprintf("%.0f", bound)
		if rate < bound {
			verdict += " missed"
			missed = true
		}
	}
	fmt.Printf("%-44s %12.0f %12s %9.0f\n", what, rate, verdict, held)
}

// result is the cost of a run.
type result struct {
	seconds float64 // of CPU
	held    float64 // MiB at most
	last    string  // line of the output
}

// best runs pidwire open -c on one CPU.
func best(rounds int, pidwire, file, layers string) (result, error) {
	b := result{seconds: math.Inf(1)}
	for range rounds {
		cmd := exec.Command(pidwire, "open", "-q", "-c", "-l", layers, file)
		cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return b, fmt.Errorf("%v: %w", cmd.Args, err)
		}
		u := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		b.last = lines[len(lines)-1]
		b.held = max(b.held, float64(u.Maxrss)/1024)
		b.seconds = min(b.seconds, cmd.ProcessState.UserTime().Seconds()+cmd.ProcessState.SystemTime().Seconds())
	}
	return b, nil
}

// recorder writes records of calls.
type recorder struct {
	w    *wire.Writer
	file *os.File
	now  uint64
}

func newRecorder(name string) (*recorder, error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	w, err := wire.NewWriter(f, wire.Header{
		Version: wire.WireVersion, Arch: "amd64", StrLen: 4096, Mono: 1000, Wall: 1_700_000_000_000_000_000, Layers: 1 << wire.LayerSys, Messages: wire.WithMessages,
	})
	return &recorder{w: w, file: f, now: 2000}, err
}

// call writes a sendto or recvfrom of data on a socket.
func (r *recorder) call(sock *wire.Sock, in bool, data string) error {
	const addr = 0x7000
	r.now += 10_000
	c := wire.Syscall{
		H:     wire.Hdr{Kind: wire.KindSyscall, Layer: wire.LayerSys, Time: r.now},
		Enter: r.now - 5000, Start: 5e9, Ret: int64(len(data)), Pid: 42, Tid: 42, Nspid: 42, Nstid: 42, Abi: wire.AbiX8664, Nsock: 1,
		Nr: 44, Args: [6]uint64{uint64(sock.Fd), addr, uint64(len(data))},
	}
	if in {
		c.Nr = 45
	}
	copy(c.Comm[:], "load")
	chunks := wire.AppendChunk(nil, wire.Chunk{Addr: addr, Phase: wire.PhaseExit}, []byte(data))
	c.Chunks = uint32(len(chunks))
	return r.w.Write(wire.Seal(append(sock.Append(c.Append(nil)), chunks...)))
}

func (r *recorder) close() error {
	e := wire.End{H: wire.Hdr{Kind: wire.KindEnd}, Reason: wire.EndDetached}
	if err := r.w.Write(wire.Seal(e.Append(nil))); err != nil {
		return err
	}
	if err := r.w.Flush(); err != nil {
		return err
	}
	return r.file.Close()
}

func socket(n int, t *talk) *wire.Sock {
	s := &wire.Sock{Cookie: uint64(n), Ino: uint64(n), Netns: 4026531840, Fd: int32(3 + n), Family: 2, Type: 1, Protocol: 6, State: 1, Lport: uint16(1024 + n%60000), Rport: t.port}
	if t.datagrams {
		s.Type, s.Protocol, s.State = 2, 17, 7
	}
	copy(s.Laddr[:], []byte{127, 0, byte(n >> 16), 1})
	copy(s.Raddr[:], []byte{127, 0, 0, 2})
	return s
}

// record writes a recording of n exchanges.
func record(name string, t talk, n int) error {
	r, err := newRecorder(name)
	if err != nil {
		return err
	}
	s := socket(7, &t)
	for range n {
		if err := r.call(s, false, t.ask); err != nil {
			return err
		}
		if err := r.call(s, true, t.answer); err != nil {
			return err
		}
	}
	return r.close()
}

// halves writes a recording of n connections, each with the first half of a request.
func halves(name string, n int) error {
	r, err := newRecorder(name)
	if err != nil {
		return err
	}
	for i := range n {
		if err := r.call(socket(i+1, &talks[0]), false, talks[0].ask[:len(talks[0].ask)/2]); err != nil {
			return err
		}
	}
	return r.close()
}

// packets writes a capture of n segments with bytes of no protocol, on 64 connections.
func packets(name string, n int) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	head := []byte{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0} // LINKTYPE_RAW
	if _, err := w.Write(head); err != nil {
		return err
	}
	const size = 64
	var b [16 + 40 + size]byte
	ip := b[16:]
	ip[0], ip[8], ip[9] = 0x45, 64, 6
	binary.BigEndian.PutUint16(ip[2:], 40+size)
	copy(ip[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
	ip[32], ip[33] = 0x50, 0x10
	for i := range size {
		ip[40+i] = byte(i*37) | 0x80
	}
	for i := range n {
		le := binary.LittleEndian
		le.PutUint32(b[0:], uint32(1_700_000_000+i/100_000))
		le.PutUint32(b[4:], uint32(i%100_000*10))
		le.PutUint32(b[8:], 40+size)
		le.PutUint32(b[12:], 40+size)
		binary.BigEndian.PutUint16(ip[20:], uint16(40000+i%64))
		binary.BigEndian.PutUint16(ip[22:], 9999)
		binary.BigEndian.PutUint32(ip[24:], uint32(1+i/64*size))
		if _, err := w.Write(b[:]); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}
