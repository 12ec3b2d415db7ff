//go:build linux

package facts

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/wire"
)

// told collects facts as "name: text".
type told struct {
	t    *testing.T
	list []string
}

func (l *told) emit(r wire.Record) error {
	var f wire.Fact
	if !f.Unmarshal(r) || int(f.Attrs) > len(r)-wire.SizeFact || int(f.H.Len) != len(r) {
		l.t.Fatalf("a bad record: %x", []byte(r))
	}
	attrs := r[wire.SizeFact:]
	l.list = append(l.list, string(wire.AttrOf(attrs, wire.TagName))+": "+string(wire.AttrOf(attrs, wire.TagText)))
	return nil
}

func (l *told) want(list ...string) {
	l.t.Helper()
	if got, want := strings.Join(l.list, "\n"), strings.Join(list, "\n"); got != want {
		l.t.Errorf("facts:\n%s\nwant:\n%s", got, want)
	}
	l.list = nil
}

// fakeProc makes a /proc with one process, and returns it with the directory of that process.
func fakeProc(t *testing.T, files map[string]string) proc.FS {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		p := filepath.Join(root, "7", name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return proc.FS{Root: root}
}

var one = Process{PID: 7, Start: 5, NetNS: 3}

func clock() uint64 { return 1e9 }

func TestEnv(t *testing.T) {
	l := &told{t: t}
	o := New(Options{Proc: fakeProc(t, nil), Now: clock})
	vars := "PATH=/bin\x00http_proxy=http://u:secret@10.0.0.1:3128/\x00SECRET=x\x00HTTPS_PROXY=proxy.test:8080\x00xhttp_proxy=no\x00no_proxy=\x00all_proxy=socks5://a:b/c@d@h:1080\x00http_proxy"
	e := wire.Env{H: wire.Hdr{Kind: wire.KindEnv}, Start: 5, Pid: 7, Size: uint32(len(vars))}
	r := wire.Record(wire.Seal(append(e.Append(nil), vars+"\x00ftp_proxy=undefined"...)))
	if err := o.Env(r, l.emit); err != nil {
		t.Fatal(err)
	}
	l.want("env http_proxy: http://***@10.0.0.1:3128/", "env HTTPS_PROXY: proxy.test:8080", "env all_proxy: socks5://***@h:1080")
	if err := o.Env(r, l.emit); err != nil {
		t.Fatal(err)
	}
	l.want()
	for n := range len(r) {
		if err := o.Env(r[:n], l.emit); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMasked(t *testing.T) {
	for url, want := range map[string]string{
		"http://h:1/": "http://h:1/", "h": "h", "u:p@h": "***@h", "http://u@h": "http://***@h", "http://u:p/q@h:1": "http://***@h:1", "a@b@c": "***@c", "": "",
	} {
		if got := masked(url); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}

func TestStarted(t *testing.T) {
	f := fakeProc(t, map[string]string{
		"environ":                "A=b\x00http_proxy=h:1\x00",
		"root/etc/real":          "# comment\nnameserver  10.0.0.53\n; other\n\nsearch a b\noptions ndots:5\n",
		"root/etc/nsswitch.conf": "passwd: files\nhosts:  files   dns\n",
	})
	dir := f.Path(7, "root")
	// An absolute link is followed in the root directory of the process.
	if err := os.Symlink("/etc/real", filepath.Join(dir, "etc/resolv.conf")); err != nil {
		t.Fatal(err)
	}
	l := &told{t: t}
	o := New(Options{Proc: f, Now: clock})
	defer o.Close()
	if err := o.Found(one, l.emit); err != nil {
		t.Fatal(err)
	}
	l.want("env http_proxy: h:1", "resolv.conf: nameserver 10.0.0.53; search a b; options ndots:5", "nsswitch hosts: files dns")

	// A link that leads out of the root, a directory, and a pipe that nobody writes are not read.
	for _, make := range []func(p string) error{
		func(p string) error { return os.Symlink("../../../../etc/hostname", p) },
		func(p string) error { return os.Mkdir(p, 0o700) },
		func(p string) error { return unix.Mkfifo(p, 0o600) },
	} {
		p := filepath.Join(dir, "etc/resolv.conf")
		if err := os.Remove(p); err != nil {
			t.Fatal(err)
		}
		if err := make(p); err != nil {
			t.Fatal(err)
		}
		if err := o.Started(one, l.emit); err != nil {
			t.Fatal(err)
		}
		l.want()
	}
	if o.closed {
		t.Error("nothing is read any more")
	}
}

// TestAllowed checks that a process that fails all the time does not make us read all the time.
func TestAllowed(t *testing.T) {
	now := uint64(1e9)
	o := New(Options{Proc: fakeProc(t, nil), Now: func() uint64 { return now }})
	n := 0
	for range 1000 {
		if o.allowed() {
			n++
		}
	}
	if n != most {
		t.Errorf("%d in a second", n)
	}
	if now += 2e9; !o.allowed() {
		t.Error("not allowed later")
	}
}

// call returns the record of a call that failed.
func call(name string, nr uint32, errno unix.Errno, addr []byte) wire.Record {
	s := wire.Syscall{H: wire.Hdr{Kind: wire.KindSyscall, Layer: wire.LayerSys}, Pid: 7, Start: 5, Ret: -int64(errno), Nr: nr, Abi: wire.AbiX8664}
	var chunks []byte
	if addr != nil {
		c := wire.Chunk{Len: uint32(len(addr))}
		chunks = append(c.Append(nil), addr...)
	}
	s.Chunks = uint32(len(chunks))
	return wire.Seal(append(s.Append(nil), chunks...))
}

func TestCall(t *testing.T) {
	f := fakeProc(t, map[string]string{
		"limits": "Limit                     Soft Limit           Hard Limit           Units     \nMax open files            16                   4096                 files     \n",
		"status": "Name:\tx\nNoNewPrivs:\t1\nSeccomp:\t2\nCapEff:\t0000000000000000\n", "comm": "server\n",
	})
	l := &told{t: t}
	asked := uint16(0)
	o := New(Options{Proc: f, Now: clock, Holders: func(port uint16) (map[uint32]bool, error) {
		asked = port
		return map[uint32]bool{7: true}, nil
	}})
	const bind, connect, socket = 49, 42, 41
	addr := binary.BigEndian.AppendUint16([]byte{unix.AF_INET, 0}, 8080)
	for _, r := range []wire.Record{call("bind", bind, unix.EADDRINUSE, addr), call("socket", socket, unix.EMFILE, nil), call("connect", connect, unix.EPERM, addr), call("connect", connect, 0, addr), call("connect", connect, unix.ECONNREFUSED, addr)} {
		if err := o.Call(r, l.emit); err != nil {
			t.Fatal(err)
		}
		for n := range len(r) {
			_ = o.Call(r[:n], func(wire.Record) error { return nil })
		}
	}
	if l.want("holder 8080: no other process", "limit nofile: 16 4096", "status NoNewPrivs: 1", "status Seccomp: 2", "status CapEff: 0000000000000000"); asked != 8080 {
		t.Errorf("port %d", asked)
	}
	other := Process{PID: 9}
	if err := o.holder(other, 8080, l.emit); err != nil {
		t.Fatal(err)
	}
	l.want("holder 8080: server[7]")
}

func TestListeners(t *testing.T) {
	const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	f := fakeProc(t, map[string]string{
		"net/tcp":               head + "   0: 0100007F:0050 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 11 1\n   1: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1\n   2: 0100007F:0051 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13 1\n   3: 0100007F:0050 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 14 1\n",
		"net/tcp6":              head + "   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000001 00:00000000 00000000     0        0 15 1\n",
		"net/stat/nf_conntrack": "entries  clashres\n00000010  00000001\n00000010  00000002\n",
	})
	n := openNet(f, 7)
	if got := n.listeners(80); got != "127.0.0.1:80 waiting=3, 127.0.0.1:80 waiting=0, [::]:80 waiting=1" {
		t.Error(got)
	}
	// The table is read again, also when the process has ended.
	if err := os.RemoveAll(f.Path(7, "net")); err != nil {
		t.Fatal(err)
	}
	if got := n.listeners(443); got != "none" {
		t.Error(got)
	}
	if count, ok := n.tracked(); !ok || count != 16 {
		t.Errorf("%d, %t", count, ok)
	}
	if err := n.close(); err != nil {
		t.Error(err)
	}
	if got := openNet(f, 7).listeners(80); got != "none" {
		t.Error(got)
	}
}

func BenchmarkCall(b *testing.B) {
	o := New(Options{Proc: proc.Default, Now: clock})
	r := call("recvfrom", 45, unix.EAGAIN, nil)
	for b.Loop() {
		if err := o.Call(r, func(wire.Record) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
