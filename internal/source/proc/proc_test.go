package proc

import (
	"bytes"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pidwire/pidwire/internal/source/proc/proctest"
	"github.com/pidwire/pidwire/internal/wire"
)

func machine(t testing.TB) FS { return FS{Root: proctest.Machine(t)} }

const (
	dockerID = proctest.DockerID
	podmanID = proctest.PodmanID
)

func TestRead(t *testing.T) {
	f := machine(t)
	bin := filepath.Join(filepath.Dir(f.Root), "bin")
	evil := Process{
		PID: 1234, PPID: 1, NSPID: 1234, Start: 987650000000, UID: 1001, Comm: " a) 1 (\nTgid:\t ", Exe: "/tmp/evil dir/evil (deleted)",
		Argv: []string{"./-evil name", "--x", "", "two words"}, Cgroup: "/user.slice/user-1000.slice/session-1.scope", NetNS: 4026531840,
	}
	for pid, want := range map[uint32]Process{
		1: {
			PID: 1, NSPID: 1, Start: 30_000_000, Comm: "systemd", Exe: filepath.Join(bin, "native"),
			Argv: []string{"/sbin/init", "splash"}, Cgroup: "/init.scope", NetNS: 4026531840,
		},
		2:    {PID: 2, NSPID: 2, Start: 30_000_000, Comm: "kthreadd", Cgroup: "/"},
		1234: evil,
		1235: evil, // a thread of the process
		5000: {
			PID: 5000, PPID: 4999, NSPID: 1, Start: 1234560000000, UID: 101, Comm: "nginx", Exe: filepath.Join(bin, "compat"),
			Argv:   []string{"nginx: master process nginx -g daemon off;"},
			Cgroup: "/system.slice/docker-" + dockerID + ".scope", NetNS: 4026532999, Compat: true,
		},
	} {
		got, err := f.Read(pid)
		if err != nil {
			t.Errorf("%d: %v", pid, err)
			continue
		}
		if !reflect.DeepEqual(*got, want) {
			t.Errorf("%d:\n got %+v\nwant %+v", pid, *got, want)
		}
	}
	if _, err := f.Read(77); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no process: %v", err)
	}
	if got, _ := f.Read(1234); got.Name() != "evil" {
		t.Errorf("name of a deleted program: %q", got.Name())
	}
	if got, _ := f.Read(2); got.Name() != "kthreadd" {
		t.Errorf("name of a kernel thread: %q", got.Name())
	}
}

func TestReadDamaged(t *testing.T) {
	f := FS{Root: t.TempDir()}
	for name, c := range map[string]struct{ status, stat string }{
		"no parenthesis": {"Tgid:\t9\n", "9 x S 1"},
		"short stat":     {"Tgid:\t9\n", "9 (x) S 1"},
		"no number":      {"Tgid:\tx\n", ""},
		"empty field":    {"Tgid:\n", ""},
	} {
		dir := filepath.Join(f.Root, "9")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string]string{"status": c.status, "stat": c.stat} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if p, err := f.Read(9); err == nil {
			t.Errorf("%s: read as %+v", name, p)
		}
	}
}

func TestPIDs(t *testing.T) {
	got, err := machine(t).PIDs()
	slices.Sort(got)
	if want := []uint32{1, 2, 1234, 1235, 5000}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

func TestSocks(t *testing.T) {
	f := machine(t)
	got, err := f.Socks(1234)
	if want := map[int32]uint64{3: 4711, 17: 4712}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if _, err := f.Socks(77); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no process: %v", err)
	}
}

func TestReady(t *testing.T) {
	f := machine(t)
	got, err := f.Ready(1234)
	want := []Ready{
		{EpFD: 6, FD: 3, Events: 0x19, Data: 7, Inode: 0x1267},
		{EpFD: 6, FD: 17, Events: 0x8000201d, Data: 1<<64 - 1, Inode: 0x1268},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if _, err := f.Ready(77); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no process: %v", err)
	}
	many := strings.Repeat("tfd: 1 events: 1 data: 1 pos:0 ino:1\n", 50)
	if n := len(parseReady(strings.NewReader(many), 3, 20)); n != 20 {
		t.Errorf("%d lines, where 20 are the most", n)
	}
}

func TestNetNS(t *testing.T) {
	f := machine(t)
	if n, err := f.NetNS(1234); n != 4026531840 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := f.NetNS(77); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no process: %v", err)
	}
}

func TestRecord(t *testing.T) {
	f := machine(t)
	p, err := f.Read(5000)
	if err != nil {
		t.Fatal(err)
	}
	p.Comm = "longer than fifteen bytes"
	p.Argv = append(p.Argv, strings.Repeat("x", 100_000))
	r := p.Record(42)
	var got wire.Proc
	if !got.Unmarshal(r) || int(got.H.Len) != len(r) || got.H.Time != 42 || r.Kind() != wire.KindProc {
		t.Fatalf("record %+v of %d bytes", got, len(r))
	}
	if got.What != wire.ProcFound || got.Pid != 5000 || got.Ppid != 4999 || got.Nspid != 1 || got.Uid != 101 || got.Start != p.Start ||
		got.Netns != p.NetNS || got.Flags&wire.ProcCompat == 0 {
		t.Errorf("%+v", got)
	}
	if name, _, _ := bytes.Cut(got.Comm[:], []byte{0}); string(name) != "longer than fif" {
		t.Errorf("comm %q", got.Comm)
	}
	attrs := r[wire.SizeProc:][:got.Attrs]
	for tag, want := range map[uint16]string{wire.TagExe: p.Exe, wire.TagCgroup: p.Cgroup, wire.TagContainer: dockerID} {
		if v := string(wire.AttrOf(attrs, tag)); v != want {
			t.Errorf("attribute %d is %q, want %q", tag, v, want)
		}
	}
	if argv := wire.AttrOf(attrs, wire.TagArgv); len(argv) > 4096 || !bytes.HasPrefix(argv, []byte("nginx: master")) {
		t.Errorf("argv of %d bytes", len(argv))
	}
}

func sock(ino uint64, family, typ, protocol uint16, state uint8, local, peer string) wire.Sock {
	k := wire.Sock{Ino: ino, Family: family, Type: typ, Protocol: protocol, State: state}
	end := func(s string, addr *[16]byte) uint16 {
		if s == "" {
			return 0
		}
		ap := netip.MustParseAddrPort(s)
		copy(addr[:], ap.Addr().AsSlice())
		return ap.Port()
	}
	k.Lport, k.Rport = end(local, &k.Laddr), end(peer, &k.Raddr)
	return k
}

func TestInet(t *testing.T) {
	f := machine(t)
	got, err := f.inet(filepath.Join(f.Root, "self/net"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[uint64]wire.Sock{
		4711: sock(4711, 2, 1, 6, 10, "0.0.0.0:8080", ""),
		4712: sock(4712, 2, 1, 6, 1, "10.0.2.15:8080", "10.0.2.2:40000"),
		4713: sock(4713, 10, 1, 6, 10, "[::1]:631", ""),
		4714: sock(4714, 10, 1, 6, 1, "[::ffff:10.0.2.15]:8080", "[2001:db8::1]:443"),
		4715: sock(4715, 2, 2, 17, 7, "0.0.0.0:53", ""),
		4716: sock(4716, 2, 3, 6, 7, "", ""), // the port column of a raw socket is its protocol
	}
	for ino, w := range want {
		if got[ino] != w {
			t.Errorf("%d:\n got %+v\nwant %+v", ino, got[ino], w)
		}
		delete(got, ino)
	}
	for ino, k := range got {
		t.Errorf("%d: %+v", ino, k)
	}
	if _, err := f.Inet(77); err == nil {
		t.Error("no process, and no error")
	}
}

func TestPortInodes(t *testing.T) {
	f := machine(t)
	for _, c := range []struct {
		ports []uint16
		want  []uint64
	}{
		{[]uint16{8080}, []uint64{4711, 4712, 4714}},
		{[]uint16{53, 631}, []uint64{4713, 4715}},
		{[]uint16{40000}, nil}, // port of a peer
		{[]uint16{6}, nil},     // a protocol
	} {
		all, err := f.PortInodes(c.ports)
		if err != nil {
			t.Fatal(err)
		}
		var got []uint64
		for ino := range all {
			got = append(got, ino)
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.ports, got, c.want)
		}
	}
}

func TestUnixPaths(t *testing.T) {
	got, err := machine(t).UnixPaths()
	if err != nil {
		t.Fatal(err)
	}
	for ino, want := range map[uint64]string{
		4720: "/run/systemd/private", 4721: "\x00/tmp/.X11-unix/X0", 4722: "", 31234567: "/tmp/two  blanks ", 7: "\x00",
	} {
		if got[ino] != want {
			t.Errorf("%d: %q, want %q", ino, got[ino], want)
		}
	}
	if len(got) > 5 {
		t.Errorf("%v", got)
	}
}

func TestCgroupRoot(t *testing.T) {
	const before = "22 28 0:20 / /proc rw,nosuid shared:12 - proc proc rw\n"
	for name, c := range map[string]struct{ mountinfo, want string }{
		"unified":        {before + "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n", "/sys/fs/cgroup"},
		"hybrid":         {before + "30 25 0:26 / /sys/fs/cgroup ro shared:9 - tmpfs tmpfs ro\n31 30 0:27 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw\n32 30 0:28 / /sys/fs/cgroup/systemd rw shared:11 - cgroup cgroup rw,name=systemd\n", "/sys/fs/cgroup/unified"},
		"no options":     {before + "29 23 0:26 / /sys/fs/cgroup rw - cgroup2 none rw\n", "/sys/fs/cgroup"},
		"many options":   {before + "29 23 0:26 / /cg rw shared:1 master:2 propagate_from:3 - cgroup2 none rw\n", "/cg"},
		"octal":          {before + "29 23 0:26 / /mnt/a\\040b\\134c\\011 rw - cgroup2 none rw\n", "/mnt/a b\\c\t"},
		"part first":     {before + "28 23 0:26 /docker/abc /mnt rw - cgroup2 none rw\n29 23 0:26 / /sys/fs/cgroup rw - cgroup2 none rw\n", "/sys/fs/cgroup"},
		"v1 only":        {before + "32 30 0:28 / /sys/fs/cgroup/systemd rw shared:11 - cgroup cgroup rw,name=systemd\n", ""},
		"none":           {before, ""},
		"empty":          {"", ""},
		"half a line":    {"29 23 0:26 / /sys/fs/cgroup rw", ""},
		"cgroup2 a path": {"29 23 0:26 / /x rw - ext4 cgroup2 rw\n", ""},
	} {
		f := FS{Root: t.TempDir()}
		if err := os.MkdirAll(filepath.Join(f.Root, "self"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(f.Root, "self/mountinfo"), []byte(c.mountinfo), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := f.CgroupRoot()
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
	}
	for in, want := range map[string]string{"": "", `\`: `\`, `\04`: `\04`, `\040`: " ", `\999`: `\999`, `a\0401`: "a 1"} {
		if got := unoctal(in); got != want {
			t.Errorf("unoctal(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestMatch(t *testing.T) {
	nginx := &Process{PID: 7, UID: 33, Comm: "nginx", Exe: "/usr/sbin/nginx", Argv: []string{"nginx: worker"}, Cgroup: "/system.slice/nginx.service"}
	script := &Process{PID: 8, UID: 1000, Comm: "manage.py", Exe: "/usr/bin/python3.11", Argv: []string{"/opt/venv/bin/python", "manage.py"}, Cgroup: "/user.slice"}
	hidden := &Process{PID: 9, UID: 0, Comm: "sshd"}
	nested := &Process{PID: 10, Cgroup: "/system.slice/nginx.service/worker"}
	beside := &Process{PID: 11, Cgroup: "/system.slice/nginx.service2"}
	for _, c := range []struct {
		t    Target
		want []uint32
	}{
		{Target{All: true}, []uint32{7, 8, 9, 10, 11}},
		{Target{PID: 8}, []uint32{8}},
		{Target{Name: "nginx"}, []uint32{7}},
		{Target{Name: "ngin"}, nil},
		{Target{Name: "py*"}, []uint32{8}},
		{Target{Name: "python"}, []uint32{8}},
		{Target{Name: "manage.py"}, []uint32{8}},
		{Target{Name: "sshd"}, []uint32{9}},
		{Target{Name: "*"}, []uint32{7, 8, 9}},
		{Target{User: "www", UID: 33}, []uint32{7}},
		{Target{User: "www", UID: 33, Name: "py*"}, nil},
		{Target{User: "root", UID: 0, Name: "ssh?"}, []uint32{9}},
		{Target{Cgroup: "/system.slice/nginx.service"}, []uint32{7, 10}},
		{Target{Cgroup: "/"}, []uint32{7, 8, 9, 10, 11}},
		{Target{Port: 80}, nil},
	} {
		var got []uint32
		for _, p := range []*Process{nginx, script, hidden, nested, beside} {
			if c.t.Match(p) {
				got = append(got, p.PID)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v matches %v, want %v", c.t, got, c.want)
		}
		if later := c.t.PID == 0; c.t.Later() != later {
			t.Errorf("%+v: Later is %v", c.t, !later)
		}
	}
}

func TestContainerOf(t *testing.T) {
	for cgroup, want := range map[string]string{
		"": "", "/": "", "relative": "", "/system.slice/nginx.service": "",
		"/system.slice/docker-" + dockerID + ".scope":                                     dockerID,
		"/docker/" + dockerID:                                                             dockerID,
		"/docker/" + dockerID + "/init.scope":                                             dockerID,
		"/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + dockerID + ".scope":       dockerID,
		"/kubepods/burstable/pod7e2/" + dockerID:                                          dockerID,
		"/kubepods.slice/pod.slice:cri-containerd:" + dockerID:                            dockerID,
		"/machine.slice/libpod-" + podmanID + ".scope/container":                          podmanID,
		"/machine.slice/libpod-conmon-" + podmanID + ".scope":                             "",
		"/machine.slice/crio-conmon-" + podmanID + ".scope":                               "",
		"/docker/" + dockerID[:63]:                                                        "",
		"/docker/" + dockerID + "0":                                                       "",
		"/docker/" + strings.ToUpper(dockerID):                                            "",
		"/user.slice/user-1000.slice/user@1000.service/libpod-" + podmanID + ".scope/ctr": podmanID,
	} {
		if got := ContainerOf(cgroup); got != want {
			t.Errorf("%s: %q, want %q", cgroup, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"Name:\tx\nTgid:\t1\nUid:\t0\t0\t0\t0\nNStgid:\t1\t7\n", "Uid:\n", "1 (a b) S" + strings.Repeat(" 1", 40), ") ",
		"0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 0 0 4711", "0: FFFFFFFFFF:1 0:0", "/docker/" + dockerID, `\040\`, "a\x00\x00b\x00",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var p Process
		_ = parseStatus([]byte(s), &p)
		_, _ = parseStart([]byte(s))
		for _, a := range parseArgv([]byte(s)) {
			if strings.Contains(a, "\x00") {
				t.Errorf("an argument with NUL: %q", a)
			}
		}
		if k, ok := parseInet(s); ok && k.Ino == 0 {
			t.Error("a socket without inode")
		}
		if id := ContainerOf(s); id != "" && !strings.Contains(s, id) {
			t.Errorf("%q has container %q", s, id)
		}
		if got := unoctal(s); len(got) > len(s) {
			t.Errorf("unoctal(%q) = %q", s, got)
		}
		parseCgroup([]byte(s))
		nsInode(s)
		for _, tgt := range []Target{{Name: "a*"}, {Cgroup: s}} {
			tgt.Match(&Process{Comm: s, Cgroup: s, Argv: []string{s}})
		}
	})
}

// TestHangingMemory checks that if reading the memory of a process blocks, Read returns after a short time, without
// the command line.
func TestHangingMemory(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "4711")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"status": "Name:\tevil\nTgid:\t4711\nPid:\t4711\nPPid:\t1\nUid:\t0\t0\t0\t0\nNSpid:\t4711\n",
		"stat":   "4711 (evil) S 1 4711 4711 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99 0 0",
		"cgroup": "0::/evil\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Opening a FIFO for reading blocks until there is a writer.
	fifo := filepath.Join(dir, "cmdline")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	p, err := FS{Root: root}.Read(4711)
	if err != nil || p.Comm != "evil" || p.Argv != nil || p.Cgroup != "/evil" {
		t.Errorf("%+v, %v", p, err)
	}
	if took := time.Since(began); took < memoryWithin || took > 20*memoryWithin {
		t.Errorf("it took %v", took)
	}
	w, err := os.OpenFile(fifo, os.O_WRONLY, 0) // unblocks the reader
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
}
