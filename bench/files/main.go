// Files measures the speed and memory of reading other tools' files, printed as
// lines and as counts: an audit log, compared with ausearch -i; output of strace;
// a capture; and all three as one timeline.
//
//	go run ./bench/files [-scale 1] [-rounds 3] [-strict]
//
// It generates about 700 MB of files in a temporary directory. Tools take turns,
// and the best round of each counts. With -strict the exit code is 1 if a bound
// is missed.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

var missed bool

func main() {
	scale := flag.Float64("scale", 1, "size of the files: 1 is 10^6 records, calls and packets")
	rounds := flag.Int("rounds", 3, "runs of each, of which the best counts")
	strict := flag.Bool("strict", false, "exit with 1 where a bound is missed")
	flag.Parse()
	dir, err := os.MkdirTemp("", "pidwire-files-")
	if err == nil {
		err = all(dir, int(1e6**scale), *rounds)
		os.RemoveAll(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "files:", err)
		os.Exit(1)
	}
	if missed && *strict {
		os.Exit(1)
	}
}

func all(dir string, n, rounds int) error {
	pidwire := filepath.Join(dir, "pidwire")
	if out, err := exec.Command("go", "build", "-o", pidwire, "./cmd/pidwire").CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	log, calls, packets := filepath.Join(dir, "audit.log"), filepath.Join(dir, "load.strace"), filepath.Join(dir, "load.pcap")
	for name, write := range map[string]func(*bufio.Writer, int){log: writeAudit, calls: writeStrace, packets: writePcap} {
		if err := create(name, n, write); err != nil {
			return err
		}
	}
	fmt.Printf("%-34s %9s %14s %9s %9s\n", "", "seconds", "a second", "bound", "MB held")

	ours, err := best(rounds, pidwire, "open", "-q", log)
	if err != nil {
		return err
	}
	row("audit log, to lines", ours, float64(n), "records", 0)
	if _, err := exec.LookPath("ausearch"); err == nil {
		theirs, err := best(1, "ausearch", "-i", "-if", log)
		if err != nil {
			return err
		}
		row("ausearch -i", theirs, float64(n), "records", 0)
		verdict(fmt.Sprintf("times ausearch -i: %.1f", theirs.seconds/ours.seconds), theirs.seconds/ours.seconds >= 20, "20")
	} else {
		fmt.Println("ausearch is not installed")
	}

	size := func(name string) float64 {
		s, err := os.Stat(name)
		if err != nil {
			return math.NaN()
		}
		return float64(s.Size()) / 1e6
	}
	for _, w := range []struct {
		name   string
		args   []string
		amount float64
		unit   string
		bound  float64
	}{
		{"strace text, to lines", []string{"open", "-q", calls}, size(calls), "MB", 150},
		{"strace text, to counts", []string{"open", "-q", "-c", calls}, size(calls), "MB", 0},
		{"pcap, to lines", []string{"open", "-q", packets}, float64(n), "packets", 400_000},
		{"pcap, to counts", []string{"open", "-q", "-c", packets}, float64(n), "packets", 1_500_000},
		{"the three as one timeline", []string{"open", "-q", calls, packets, log}, size(calls) + size(packets) + size(log), "MB", 0},
	} {
		r, err := best(rounds, pidwire, w.args...)
		if err != nil {
			return err
		}
		row(w.name, r, w.amount, w.unit, w.bound)
	}
	return nil
}

func row(name string, r result, amount float64, unit string, bound float64) {
	said := ""
	if bound > 0 {
		said = fmt.Sprintf("%.0f", bound)
	}
	fmt.Printf("%-34s %9.2f %8.0f %-9s %5s %9.0f\n", name, r.seconds, amount/r.seconds, unit, said, r.memory)
	if bound > 0 && amount/r.seconds < bound {
		verdict(name, false, said)
	}
}

func verdict(name string, ok bool, bound string) {
	word := "held"
	if !ok {
		word, missed = "MISSED", true
	}
	fmt.Printf("    %s: bound %s %s\n", name, bound, word)
}

type result struct {
	seconds float64
	memory  float64 // maximum resident size in MB
}

// best runs a command rounds times, discards its output, and returns the best round.
func best(rounds int, name string, args ...string) (result, error) {
	r := result{seconds: math.Inf(1)}
	for range rounds {
		null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			return r, err
		}
		cmd := exec.Command(name, args...)
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = null, &said
		began := time.Now()
		err = cmd.Run()
		took := time.Since(began).Seconds()
		if err = errors.Join(err, null.Close()); err != nil {
			return r, fmt.Errorf("%s: %w\n%s", name, err, said.Bytes())
		}
		r.seconds = min(r.seconds, took)
		if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			r.memory = max(r.memory, float64(u.Maxrss)/1000)
		}
	}
	return r, nil
}

func create(name string, n int, write func(*bufio.Writer, int)) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	write(w, n)
	return errors.Join(w.Flush(), f.Close())
}

const begin = 1774512000 // seconds since the epoch

// writeAudit writes n records, four per event, of user root: ausearch takes 30 times as long for
// ids that have no name.
func writeAudit(w *bufio.Writer, n int) {
	for i := range n / 4 {
		at := fmt.Sprintf("audit(%d.%03d:%d):", begin+i/1000, i%1000, i)
		fmt.Fprintf(w, `type=SYSCALL msg=%s arch=c000003e syscall=42 success=no exit=-115 a0=%x a1=7ffc1afff480 a2=10 a3=0 items=0 ppid=9743 pid=%d auid=0 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts61 ses=3 comm="emulator" exe="/usr/bin/emulator" subj=unconfined key="emulator"`+"\n", at, i%100+3, 9744+i%7)
		fmt.Fprintf(w, "type=SOCKADDR msg=%s saddr=020014667C41961E0000000000000000\n", at)
		fmt.Fprintf(w, "type=PROCTITLE msg=%s proctitle=2F7573722F62696E2F656D756C61746F72002D78\n", at)
		fmt.Fprintf(w, "type=EOE msg=%s \n", at)
	}
}

// writeStrace writes n calls on a hundred sockets.
func writeStrace(w *bufio.Writer, n int) {
	for i := range n {
		at, fd := fmt.Sprintf("%d %d.%06d", 9744+i/7%7, begin+i/1000, i%1000*1000), i/7%100+3
		switch i % 7 {
		case 0:
			fmt.Fprintf(w, "%s socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP) = %d <0.000012>\n", at, fd)
		case 1:
			fmt.Fprintf(w, "%s setsockopt(%d, SOL_TCP, TCP_NODELAY, [1], 4) = 0 <0.000004>\n", at, fd)
		case 2:
			fmt.Fprintf(w, "%s connect(%d, {sa_family=AF_INET, sin_port=htons(5222), sin_addr=inet_addr(\"124.65.150.30\")}, 16) = -1 EINPROGRESS (Operation now in progress) <0.000031>\n", at, fd)
		case 3:
			fmt.Fprintf(w, "%s poll([{fd=%d, events=POLLOUT}], 1, 1000) = 1 ([{fd=%d, revents=POLLOUT}]) <0.000007>\n", at, fd, fd)
		case 4:
			fmt.Fprintf(w, "%s sendto(%d, \"WRTE\\1\\0\\0\\0\\36\\2\\0\\0\\246\\0\\0\\0\\0379\\0\\0\\250\\255\\253\\27203-26 08\"..., 190, MSG_NOSIGNAL, NULL, 0) = 190 <0.000019>\n", at, fd)
		case 5:
			fmt.Fprintf(w, "%s recvfrom(%d, \"HTTP/1.1 200 OK\\r\\nContent-Type: t\"..., 8760, 0, NULL, NULL) = 1182 <0.000021>\n", at, fd)
		case 6:
			fmt.Fprintf(w, "%s close(%d) = 0 <0.000009>\n", at, fd)
		}
	}
}

// writePcap writes n packets of 1000 TCP connections, truncated to 96 bytes.
func writePcap(w *bufio.Writer, n int) {
	le, be := binary.LittleEndian, binary.BigEndian
	head := make([]byte, 24)
	le.PutUint32(head, 0xa1b2c3d4)
	le.PutUint16(head[4:], 2)
	le.PutUint16(head[6:], 4)
	le.PutUint32(head[16:], 96)
	le.PutUint32(head[20:], 1)
	w.Write(head)
	p := make([]byte, 16+96)
	copy(p[16+12:], []byte{8, 0, 0x45, 0})
	copy(p[16+14+8:], []byte{64, 6})
	for i := range n {
		const wire = 14 + 40 + 1000
		le.PutUint32(p, uint32(begin+i/1000))
		le.PutUint32(p[4:], uint32(i%1000*1000))
		le.PutUint32(p[8:], 96)
		le.PutUint32(p[12:], wire)
		ip := p[16+14:]
		be.PutUint16(ip[2:], wire-14)
		copy(ip[12:], []byte{10, 0, 0, 1, 10, 0, byte(i % 1000 >> 8), byte(i)})
		tcp := ip[20:]
		be.PutUint16(tcp, uint16(20000+i%1000))
		be.PutUint16(tcp[2:], 443)
		be.PutUint32(tcp[4:], uint32(i/1000*1000))
		be.PutUint32(tcp[8:], 1)
		copy(tcp[12:], []byte{0x50, 0x18, 1, 0xf6})
		w.Write(p)
	}
}
