//go:build linux

// Package accuracy measures whose packets pidwire shows, with tcpdump's file as
// the truth of which there were, and the programs themselves of whose.
//
//	go test ./test/accuracy -update    writes docs/accuracy.md
package accuracy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pidwire/pidwire/internal/bounded"
	"github.com/pidwire/pidwire/internal/decode"
	"github.com/pidwire/pidwire/internal/decode/pkt"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/flow"
	"github.com/pidwire/pidwire/internal/source/replay"
	"github.com/pidwire/pidwire/internal/wire"
)

var update = flag.Bool("update", false, "write docs/accuracy.md again")

// row is a scenario, who is watched in it, and what is said of it.
type row struct {
	name, watch, what string
}

var rows = []row{
	{"before", "server", "a server started before pidwire, short-lived clients"},
	{"before", "client", ""},
	{"before", "both", "both ends watched"},
	{"after", "server", "sockets created while watched"},
	{"after", "client", ""},
	{"clients", "client", "a client process for each connection"},
	{"established", "server", "a connection established before pidwire started"},
	{"established", "client", ""},
	{"udp", "server", "unconnected UDP sockets, opened before pidwire started"},
	{"udp", "client", ""},
	{"sameport", "server", "TCP and UDP on one port by two processes"},
	{"sameport", "both", ""},
	{"prefork", "server", "two workers accept on a socket of their master"},
	{"forkper", "server", "a server that forks for each connection"},
	{"rights", "server", "each connection passed to another process by SCM_RIGHTS"},
	{"curl", "client", "30 runs of curl"},
	{"curl", "both", ""},
	{"closed", "client", "a closed port"},
	{"bystanders", "client", "two busy pairs of other processes at the same time"},
	{"bystanders", "server", ""},
	{"netns", "client", "a client in its own network namespace"},
	{"netns", "both", ""},
	{"lateclose", "client", "the peer closes 150 ms later"},
	{"lateclose", "both", ""},
	{"unreachable", "client", "ICMP errors about UDP"},
	{"ping", "client", "ping by a raw socket"},
	{"shared", "client", "one process writes to a connection, another reads from it"},
	{"shared", "both", ""},
	{"udpshared", "client", "the same with UDP"},
	{"lazy", "client", "children read answers to requests of their parent 150 ms later, and the parent reads too"},
	{"heirs", "client", "successive children, each reads once, 150 ms later"},
	{"greeting", "server", "the accepting process writes; a child reads earlier data 150 ms later"},
	{"given", "server", "the accepting process writes and passes the socket by SCM_RIGHTS; the receiver reads 150 ms later"},
	{"givenaway", "server", "the accepting process writes, forks a child that reads 150 ms later, and closes the socket"},
	{"held", "client", "two processes hold a connection established before; one uses it 150 ms later"},
}

// score counts the ends of packets that are watched.
type score struct {
	ends, right, inherited, wrong, missed, extra int
}

// load is a scenario of many packets, whose payload says whose they are.
type load struct {
	name, watch, what string
	reads             bool // what comes in says who reads it
	whole             bool // no packet has parts of two writes
}

var loads = []load{
	{"manyudp", "both", "two processes write to one UDP socket, on two CPUs", false, true},
	{"manyudp", "client", "", false, true},
	{"manytcp", "both", "two processes write to one TCP connection, 256 KiB a call", false, false},
	{"manytcp", "client", "", false, false},
	{"manystarved", "both", "the same on one busy CPU, of which one writer gets little", false, false},
	{"manyrelay", "client", "150 processes write to one TCP connection, each hands it to its child", false, false},
	{"manysplit", "both", "one writes to a TCP connection, another reads from it, on two CPUs", true, true},
	{"manysplit", "client", "", false, true},
	{"manycold", "both", "the same, with no use seen before", true, true},
	{"manycold", "client", "", true, true},
	{"manyprefork", "both", "four workers accept on one socket, four clients, 1,600 connections", false, true},
	{"manyprefork", "server", "", false, true},
	{"manyreuseport", "both", "two UDP sockets with SO_REUSEPORT", false, true},
	{"manyreuseport", "server", "", false, true},
	{"manyqueue", "both", "two processes write to one UDP socket, and a qdisc sends it later", false, true},
	{"manyqueue", "client", "", false, true},
	{"manytcpqueue", "both", "the same with one TCP connection", false, false},
}

const loadHead = `
## Many packets at once

Several processes use one socket at the same time, on two CPUs. The payload of each packet names the process that wrote it
(or that will read it, where one process writes to a connection and another reads from it). *Labelled*: shown as ` + "`~name[pid]`" + `
(` + "`match`" + ` is ` + "`shared`" + ` or ` + "`inherited`" + `); of a stream that several processes write to, a packet
has its owner only where the results of their calls account for its bytes. *Mixed*: labelled packets that contain bytes of two processes, or only of another process. *Wrong*: shown
without this label, with bytes of another process.

| scenario | watched | packets with payload | right | labelled | mixed | wrong | missed |
|---|---|---|---|---|---|---|---|
`

const head = `# Accuracy of packet owners

Each row is a program whose processes print which end of which connection they used. The packets are those in ` + "`tcpdump`" + `'s
file. Each must be shown once for every watched end, with the process that used this end. *Inherited*: shown as
` + "`~name[pid]`" + `, with the process that created the socket or shares it, because its user was not known in time. *Extra*: a packet
of no watched end, or shown twice.

Written by ` + "`go test ./test/accuracy -update`" + `, with Linux %s, tcpdump %s.

| scenario | watched | packet ends | right | inherited | wrong | missed | extra |
|---|---|---|---|---|---|---|---|
`

func TestAccuracy(t *testing.T) {
	for _, need := range []string{"tcpdump", "curl", "ip", "unshare", "nsenter", "gcc"} {
		if _, err := exec.LookPath(need); err != nil {
			if os.Getenv("PIDWIRE_MUST") != "" {
				t.Fatalf("%s is not installed", need)
			}
			t.Skipf("%s is not installed", need)
		}
	}
	if os.Geteuid() != 0 {
		if os.Getenv("PIDWIRE_MUST") != "" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	dir := t.TempDir()
	command(t, "gcc", "-Wall", "-O1", "-o", dir+"/scenarios", "testdata/scenarios.c")
	t.Setenv("CGO_ENABLED", "0") // as it is shipped
	command(t, "go", "build", "-o", dir+"/pidwire", "../../cmd/pidwire")
	var table bytes.Buffer
	last := ""
	for _, r := range rows {
		if r.what != "" {
			last = r.what
		}
		t.Run(r.name+"/"+r.watch, func(t *testing.T) {
			s, whole := run(t, dir, r)
			for again := 0; !whole && again < 3; again++ {
				s, whole = run(t, dir, r)
			}
			if !whole {
				t.Fatal("tcpdump did not see every packet, four times")
			}
			fmt.Fprintf(&table, "| %s | %s | %d | %d | %d | %d | %d | %d |\n", last, r.watch, s.ends, s.right, s.inherited, s.wrong, s.missed, s.extra)
			if s.ends == 0 || s.right+s.inherited != s.ends || s.extra != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
	table.WriteString(loadHead)
	last = ""
	for _, l := range loads {
		if l.what != "" {
			last = l.what
		}
		t.Run(l.name+"/"+l.watch, func(t *testing.T) {
			s, whole := runLoad(t, dir, l)
			for again := 0; !whole && again < 4; again++ {
				s, whole = runLoad(t, dir, l) // a machine that is busy with something else
			}
			if !whole {
				t.Fatal("packets were lost, five times")
			}
			fmt.Fprintf(&table, "| %s | %s | %d | %d | %d | %d | %d | %d |\n", last, l.watch, s.packets, s.right, s.labelled, s.mixed, s.wrong, s.missed)
			if s.packets < 20_000 || s.wrong != 0 || s.missed != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
	t.Logf("\n%s", table.String())
	if *update {
		version, _ := exec.Command("tcpdump", "--version").CombinedOutput()
		_, number, _ := strings.Cut(strings.SplitN(string(version), "\n", 2)[0], "version ")
		var u syscall.Utsname
		_ = syscall.Uname(&u)
		var release []byte
		for _, c := range u.Release {
			if c != 0 {
				release = append(release, byte(c))
			}
		}
		text := fmt.Sprintf(head, release, number) + table.String()
		if err := os.WriteFile("../../docs/accuracy.md", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// proc is a process whose output is waited for, line by line.
type proc struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string
}

// begin starts a process and reads one of its outputs.
func begin(t *testing.T, stderr bool, name string, args ...string) *proc {
	t.Helper()
	p := &proc{cmd: exec.Command(name, args...), lines: make(chan string, 10000)}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if stderr {
		p.cmd.Stderr = w
	} else {
		p.cmd.Stdout, p.cmd.Stderr = w, os.Stderr
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
	go func() {
		for s := bufio.NewScanner(r); s.Scan(); {
			p.lines <- s.Text()
		}
		close(p.lines)
		r.Close()
	}()
	return p
}

// await returns the lines up to one that contains a text.
func (p *proc) await(t *testing.T, text string) (lines []string) {
	t.Helper()
	limit := time.After(10 * time.Second)
	for {
		select {
		case l, ok := <-p.lines:
			if !ok {
				t.Fatalf("%s ended before it said %q: %q", p.cmd.Path, text, lines)
			}
			lines = append(lines, l)
			if strings.Contains(l, text) {
				return lines
			}
		case <-limit:
			t.Fatalf("%s did not say %q: %q", p.cmd.Path, text, lines)
		}
	}
}

// end is one end of a connection: whose packets with these ports are. Of several
// owners the first writes and the second reads, the others may be the last to
// close; what only acknowledges is of any of them.
type end struct {
	proto       string
	local, peer uint16 // peer 0: any
	role, owner string
}

func (e *end) has(owner string, in bool, p *event.Packet) bool {
	list := strings.Split(e.owner, ",")
	if m := payloadPID.FindSubmatch(p.Data); in && m != nil {
		return owner == strings.TrimLeft(string(m[1]), "0")
	}
	switch {
	case len(list) < 3:
		return owner == e.owner
	case p.Proto == event.ProtoTCP && p.TCP.Length == 0 && (in || p.TCP.Flags&event.TCPFin == 0):
		return slices.Contains(list, owner)
	case p.Proto == event.ProtoTCP && p.TCP.Length == 0:
		return slices.Contains(list[2:], owner)
	case in:
		return owner == list[1]
	}
	return owner == list[0]
}

// run runs a scenario. whole is false where tcpdump says that its file has not
// every packet.
func run(t *testing.T, dir string, r row) (s score, whole bool) {
	sc := begin(t, false, "unshare", "-n", "sh", "-c", "ip link set lo up && exec \"$0\" \"$1\"", dir+"/scenarios", r.name)
	var pids []string
	for _, l := range sc.await(t, "ready") {
		var role, pid string
		if n, _ := fmt.Sscanf(l, "pid %s %s", &role, &pid); n == 2 && (role == r.watch || r.watch == "both") {
			pids = append(pids, pid)
		}
	}
	truth, rec := filepath.Join(t.TempDir(), "truth.pcap"), filepath.Join(t.TempDir(), "rec.pidwire")
	iface := "lo"
	if r.name == "netns" {
		iface = "near"
	}
	td := begin(t, true, "nsenter", "-t", fmt.Sprint(sc.cmd.Process.Pid), "-n", "tcpdump", "-Z", "root", "-nn", "-s", "2048", "-i", iface, "-B", "8192", "-U", "--immediate-mode", "-w", truth)
	td.await(t, "listening on")
	pw := begin(t, true, dir+"/pidwire", append([]string{"trace", "-l", "pkt", "-w", rec}, pids...)...)
	pw.await(t, "watching")

	if _, err := io.WriteString(sc.stdin, "\n"); err != nil {
		t.Fatal(err)
	}
	var ends []end
	for l := range sc.lines {
		var e end
		if n, _ := fmt.Sscanf(l, "end %s %d %d %s %s", &e.proto, &e.local, &e.peer, &e.role, &e.owner); n == 5 {
			ends = append(ends, e)
		}
	}
	if err := sc.cmd.Wait(); err != nil {
		t.Fatalf("scenario %s: %v", r.name, err)
	}
	time.Sleep(200 * time.Millisecond)
	_ = td.cmd.Process.Signal(os.Interrupt)
	_ = td.cmd.Wait()
	_ = pw.cmd.Process.Signal(os.Interrupt)
	_ = pw.cmd.Wait()
	var captured, received, dropped int
	for l := range td.lines {
		for what, n := range map[string]*int{"captured": &captured, "received by filter": &received, "dropped by kernel": &dropped} {
			if strings.HasSuffix(l, what) {
				_, _ = fmt.Sscan(l, n)
			}
		}
	}
	if iface == "lo" {
		captured *= 2 // what comes in and what goes out is received, and one of them left out
	}
	if captured == 0 || dropped > 0 || received > captured {
		t.Logf("tcpdump: %d captured, %d received, %d dropped", captured, received, dropped)
		return s, false
	}
	return compare(t, ends, r.watch, packetsOfFile(t, truth), shown(t, rec)), true
}

// key tells packets apart, and both views of one not: the packet without its
// checksums, which are filled in on the way, and the direction.
type key struct {
	in   bool
	data string
}

func keyOf(in bool, p *event.Packet) key {
	b := bytes.Clone(p.Data[:min(p.End, uint32(len(p.Data)))])
	if p.Version == 4 {
		b[10], b[11], b[8] = 0, 0, 0
	}
	at := map[uint8]uint32{event.ProtoTCP: 16, event.ProtoUDP: 6, event.ProtoICMP: 2}[p.Proto]
	if at != 0 && p.Off+at+2 <= uint32(len(b)) {
		b[p.Off+at], b[p.Off+at+1] = 0, 0
	}
	if p.Proto == event.ProtoICMP && p.Inner != nil && p.Inner.Off > 0 {
		// The quoted packet's checksums too.
		quoted := p.Off + 8
		for _, i := range []uint32{quoted + 10, quoted + 11, quoted + p.Inner.Off + 6, quoted + p.Inner.Off + 7} {
			if i < uint32(len(b)) {
				b[i] = 0
			}
		}
	}
	return key{in, string(b)}
}

// packetsOfFile reads tcpdump's file.
func packetsOfFile(t *testing.T, name string) (list []event.Packet) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil || len(b) < 24 || binary.LittleEndian.Uint32(b) != 0xa1b2c3d4 {
		t.Fatalf("%s: not tcpdump's: %v", name, err)
	}
	link := binary.LittleEndian.Uint32(b[20:])
	d := pkt.New()
	for b = b[24:]; len(b) >= 16; {
		n, length := binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])
		frame := b[16 : 16+n]
		b = b[16+n:]
		ip, _, ok := pkt.Strip(link, frame)
		if !ok {
			continue // ARP
		}
		var p event.Packet
		d.Packet(ip, length-uint32(len(frame)-len(ip)), &p)
		list = append(list, p)
	}
	return list
}

type view struct {
	owner     string
	inherited bool // or shared
	text      string
}

// shown reads what pidwire recorded, as its lines have it.
func shown(t *testing.T, name string) map[key][]view {
	t.Helper()
	views := map[key][]view{}
	eachEntry(t, name, func(e *event.Entry) {
		if l, ok := e.Body.(*event.Lost); ok {
			t.Errorf("lost %d: %s", l.Count, l.Reason)
		}
		if c, ok := e.Body.(*event.Capture); ok {
			k := keyOf(c.Dir == event.DirIn, &c.Packet)
			views[k] = append(views[k], view{fmt.Sprint(e.Task.PID), e.Match < event.MatchExact, fmt.Sprintf("%v %v > %v %x %v", c.Dir, c.Src, c.Dst, c.TCP.Flags, c.Made)})
		}
	})
	return views
}

// ownersOf returns the ends that a packet was seen by.
func ownersOf(ends []end, p *event.Packet) (out, in *end) {
	find := func(proto string, local, peer netip.AddrPort) *end {
		for i := range ends {
			if e := &ends[i]; e.proto == proto && e.local == local.Port() && (e.peer == 0 || e.peer == peer.Port()) {
				return e
			}
		}
		return nil
	}
	switch p.Proto {
	case event.ProtoTCP:
		return find("tcp", p.Src, p.Dst), find("tcp", p.Dst, p.Src)
	case event.ProtoUDP:
		return find("udp", p.Src, p.Dst), find("udp", p.Dst, p.Src)
	case event.ProtoICMP:
		if q := p.Inner; q != nil && q.Proto == event.ProtoUDP {
			return nil, find("udp", q.Src, q.Dst)
		}
		echo := netip.AddrPortFrom(p.Src.Addr(), uint16(p.ICMP.Rest>>16))
		switch p.ICMP.Type {
		case 8:
			return find("icmp", echo, p.Dst), nil
		case 0:
			return nil, find("icmp", echo, p.Dst)
		}
	}
	return nil, nil
}

func compare(t *testing.T, ends []end, watch string, truth []event.Packet, views map[key][]view) (s score) {
	t.Helper()
	for i := range truth {
		p := &truth[i]
		out, in := ownersOf(ends, p)
		for _, side := range []struct {
			in bool
			of *end
		}{{false, out}, {true, in}} {
			if side.of == nil || watch != "both" && side.of.role != watch {
				continue
			}
			s.ends++
			k := keyOf(side.in, p)
			list := views[k]
			if len(list) == 0 {
				s.missed++
				t.Logf("missed: in %v %v > %v proto %d flags %x, of %s", side.in, p.Src, p.Dst, p.Proto, p.TCP.Flags, side.of.owner)
				continue
			}
			v := list[0]
			views[k] = list[1:]
			switch {
			case side.of.has(v.owner, side.in, p):
				s.right++
			case v.inherited:
				s.inherited++
			default:
				s.wrong++
				t.Logf("wrong: %s shown as %s's, is %s's", v.text, v.owner, side.of.owner)
			}
		}
	}
	for _, list := range views {
		for _, v := range list {
			s.extra++
			t.Logf("extra: %s of %s", v.text, v.owner)
		}
	}
	return s
}

// loadScore counts packets whose payload says whose they are.
type loadScore struct {
	packets, right, labelled, mixed, wrong, missed int
}

var payloadPID = regexp.MustCompile(`pid=(\d{10})\.`)

// runLoad runs a scenario of many packets. whole is false where some were lost, which
// the recording says.
func runLoad(t *testing.T, dir string, l load) (s loadScore, whole bool) {
	// Packets as big as the wire's: each says of all of its bytes whose they are.
	sc := begin(t, false, "unshare", "-n", "sh", "-c", "ip link set lo up mtu 1500 gso_max_segs 1 && exec \"$0\" \"$1\"", dir+"/scenarios", l.name)
	watched := map[string]bool{}
	all := true
	for _, line := range sc.await(t, "ready") {
		var role, pid string
		if n, _ := fmt.Sscanf(line, "pid %s %s", &role, &pid); n == 2 {
			watched[pid] = role == l.watch || l.watch == "both"
			all = all && watched[pid]
		}
	}
	var pids []string
	for pid, is := range watched {
		if is {
			pids = append(pids, pid)
		}
	}
	rec := filepath.Join(t.TempDir(), "rec.pidwire")
	pw := begin(t, true, dir+"/pidwire", append([]string{"trace", "-l", "pkt", "--snaplen", "1500", "-w", rec}, pids...)...)
	pw.await(t, "watching")
	if _, err := io.WriteString(sc.stdin, "\n"); err != nil {
		t.Fatal(err)
	}
	sent := map[string]int{} // lines of 16 bytes
	for line := range sc.lines {
		var pid string
		var bytes int
		if n, _ := fmt.Sscanf(line, "sent %s %d", &pid, &bytes); n == 2 {
			sent[pid] = bytes / 16
		}
	}
	if err := sc.cmd.Wait(); err != nil {
		t.Fatalf("scenario %s: %v", l.name, err)
	}
	time.Sleep(200 * time.Millisecond)
	_ = pw.cmd.Process.Signal(os.Interrupt)
	_ = pw.cmd.Wait()

	type segment struct {
		src, dst netip.AddrPort
		seq      uint32
	}
	sentOnce := map[segment]bool{}
	seen := map[string]int{}
	cut := 0 // lines that two packets share
	whole = true
	eachEntry(t, rec, func(e *event.Entry) {
		if l, ok := e.Body.(*event.Lost); ok {
			t.Logf("lost %d: %s", l.Count, l.Reason)
			whole = false
		}
		c, ok := e.Body.(*event.Capture)
		if !ok || c.Dir == event.DirIn && !l.reads || c.Made != event.MadeSocket {
			return
		}
		lines := payloadPID.FindAllSubmatch(c.Data, -1)
		if len(lines) == 0 {
			return
		}
		first := true // not sent again
		if c.Proto == event.ProtoTCP && c.Dir == event.DirOut {
			at := segment{c.Src, c.Dst, c.TCP.Seq}
			first = !sentOnce[at]
			sentOnce[at] = true
		}
		var whose []string
		for _, m := range lines {
			pid := strings.TrimLeft(string(m[1]), "0")
			if c.Dir == event.DirOut && first {
				seen[pid]++
			}
			if !slices.Contains(whose, pid) {
				whose = append(whose, pid)
			}
		}
		if !l.whole {
			cut++
		}
		s.packets++
		owner := fmt.Sprint(e.Task.PID)
		own := len(whose) == 1 && whose[0] == owner
		switch {
		case e.Match < event.MatchExact:
			s.labelled++
			if !own {
				s.mixed++
			}
		case own:
			s.right++
		default:
			s.wrong++
			if s.wrong < 5 {
				t.Logf("wrong: %v %v > %v, %d bytes, shown as %s's, is of %v", c.Dir, c.Src, c.Dst, c.Len, owner, whose)
			}
		}
	})
	for pid, n := range sent {
		// Of a stream that the others write to as well some of it has left in their calls.
		if missed := n - seen[pid] - cut; watched[pid] && (all || cut == 0) && missed > 0 {
			s.missed += missed
		}
	}
	return s, whole
}

// eachEntry reads a recording as lines have it.
func eachEntry(t *testing.T, name string, each func(*event.Entry)) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	src, err := replay.New(f)
	if err != nil {
		t.Fatal(err)
	}
	dec, join := decode.New(src.Header()), flow.New(new(bounded.Room))
	err = src.Run(context.Background(), func(r wire.Record) error {
		var e event.Entry
		if r == nil {
			return nil
		}
		dec.Record(bytes.Clone(r), &e.Event)
		join.Add(&e)
		each(&e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
