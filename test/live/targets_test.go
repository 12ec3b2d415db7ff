package live

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/pidwire/pidwire/internal/source/proc"

	"golang.org/x/sys/unix"
)

// The test binary is also the watched process: with this variable set it makes traffic instead of
// running tests.
const actVar = "PIDWIRE_LIVE_ACT"

func init() {
	if act := os.Getenv(actVar); act != "" {
		os.Exit(perform(act))
	}
}

// flood sends and receives until it is killed.
func flood() int {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	b := []byte("x")
	for err == nil {
		if _, err = syscall.Write(pair[0], b); err == nil {
			_, err = syscall.Read(pair[1], b)
		}
	}
	return 1
}

// perform waits for a line on stdin, then performs the actions, one per word.
func perform(act string) int {
	if act == "flood" {
		return flood()
	}
	if act == "programs" {
		return runPrograms()
	}
	acts := strings.Fields(act)
	var old [2]int
	if len(acts) > 0 && acts[0] == "old" {
		// A socket that exists before attach.
		var err error
		if old, err = syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0); err != nil {
			return 1
		}
		acts = acts[1:]
	}
	var ep int
	if len(acts) > 0 && acts[0] == "epoll" {
		// One end is registered with epoll.
		var err error
		if ep, err = syscall.EpollCreate1(0); err != nil {
			return 1
		}
		ev := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(old[1])}
		if err := syscall.EpollCtl(ep, syscall.EPOLL_CTL_ADD, old[1], &ev); err != nil {
			return 1
		}
		acts = acts[1:]
	}
	if len(acts) > 0 && acts[0] == "veth" {
		// In its own network namespace, with its own interface. Busybox ignores the name of the
		// other end, which becomes veth0.
		if err := exec.Command("ip", "link", "add", "pwif0", "type", "veth").Run(); err != nil {
			return 1
		}
		acts = acts[1:]
	}
	if len(acts) > 0 && acts[0] == "lo" {
		// In its own network namespace, where no interface is up.
		if err := upLo(); err != nil {
			return 1
		}
		acts = acts[1:]
	}
	var ln net.Listener
	if len(acts) > 0 && strings.HasPrefix(acts[0], "listen=") {
		var err error
		// Otherwise Go creates MPTCP listeners.
		var plain net.ListenConfig
		plain.SetMultipathTCP(false)
		if ln, err = plain.Listen(context.Background(), "tcp4", strings.TrimPrefix(acts[0], "listen=")); err != nil {
			return 1
		}
		defer ln.Close()
		acts = acts[1:]
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return 1
	}
	for _, a := range acts {
		word, arg, _ := strings.Cut(a, "=")
		switch word {
		case "pair": // creates a socketpair and sends a word through it
			p, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			if err != nil {
				return 1
			}
			syscall.Write(p[0], []byte(arg))
			syscall.Read(p[1], make([]byte, 64))
		case "usr":
			syscall.Write(old[0], []byte(arg))
			syscall.Read(old[1], make([]byte, 64))
		case "ready": // waits for the old end, which has data
			syscall.Write(old[0], []byte(arg))
			var ev [4]syscall.EpollEvent
			if n, err := syscall.EpollWait(ep, ev[:], -1); n != 1 || err != nil {
				return 1
			}
		case "mptcp": // listens with Go's default settings
			l, err := net.Listen("tcp4", arg)
			if err != nil {
				return 1
			}
			ln = l
			fmt.Println("listening")
		case "serve": // answers one connection
			c, err := ln.Accept()
			if err != nil {
				return 1
			}
			c.Read(make([]byte, 64))
			c.Write([]byte(arg))
			c.Close()
		case "dial": // sends a request to a server, and reads until the end
			c, err := net.Dial("tcp4", arg)
			if err != nil {
				return 1
			}
			c.Write([]byte("ping"))
			io.Copy(io.Discard, c)
			c.Close()
		case "meet": // makes many connections between the same two ports, one after the other
			for range 50 {
				if err := meet(ln, arg); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return 1
				}
			}
		case "member": // joins a multicast group on an interface
			s, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
			if err != nil {
				return 1
			}
			i, err := net.InterfaceByName(arg)
			if err != nil {
				return 1
			}
			syscall.SetsockoptIPMreqn(s, syscall.IPPROTO_IP, syscall.IP_ADD_MEMBERSHIP,
				&syscall.IPMreqn{Multiaddr: [4]byte{224, 0, 0, 251}, Ifindex: int32(i.Index)})
		case "bind":
			l, err := net.Listen("tcp4", arg)
			if err != nil {
				return 1
			}
			l.Close()
		case "child": // starts another process that does the same
			c := exec.Command("/proc/self/exe")
			c.Env = append(os.Environ(), actVar+"=pair="+arg)
			c.Stdin = strings.NewReader("\n")
			if c.Run() != nil {
				return 1
			}
		case "block": // blocks in a read on a socket until the deadline
			p, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			if err != nil {
				return 1
			}
			d, _ := time.ParseDuration(arg)
			tv := syscall.NsecToTimeval(d.Nanoseconds())
			syscall.SetsockoptTimeval(p[0], syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &tv)
			syscall.Read(p[0], make([]byte, 1))
		}
	}
	return 0
}

// upLo sets the loopback interface up.
func upLo() error {
	s, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(s)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, req)
}

// meet connects from a port to the listener, sends a word in both directions, and leaves no
// TIME_WAIT socket behind.
func meet(ln net.Listener, port string) error {
	local, err := net.ResolveTCPAddr("tcp4", "127.0.0.1:"+port)
	if err != nil {
		return err
	}
	c, err := net.DialTCP("tcp4", local, ln.Addr().(*net.TCPAddr))
	if err != nil {
		return err
	}
	s, err := ln.Accept()
	if err != nil {
		return err
	}
	for _, step := range []struct{ from, to net.Conn }{{c, s}, {s, c}} {
		if _, err := step.from.Write([]byte("word")); err != nil {
			return err
		}
		if _, err := io.ReadFull(step.to, make([]byte, 4)); err != nil {
			return err
		}
	}
	c.SetLinger(0)
	c.Close()
	return s.Close()
}

// actor is a process that acts when told to.
type actor struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// start starts an actor under its own name.
func start(t *testing.T, name, act string, attr *syscall.SysProcAttr) *actor {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "pw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	exe := filepath.Join(dir, name)
	copyFile(t, self, exe)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), actVar+"="+act)
	cmd.SysProcAttr = attr
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	said := bufio.NewReader(out)
	if l, err := said.ReadString('\n'); l != "ready\n" {
		t.Fatalf("the actor said %q: %v", l, err)
	}
	return &actor{cmd, in, said}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (a *actor) pid() string { return fmt.Sprint(a.cmd.Process.Pid) }

// act makes the actor act, and waits until it exits.
func (a *actor) act(t *testing.T) {
	t.Helper()
	io.WriteString(a.in, "\n")
	if err := a.cmd.Wait(); err != nil {
		t.Fatalf("the actor: %v", err)
	}
}

// session is a running pidwire.
type session struct {
	cmd    *exec.Cmd
	stdout bytes.Buffer
	stderr *bufio.Reader
	rest   bytes.Buffer
	copied chan struct{}
}

// attach starts pidwire and returns when it watches.
func attach(t *testing.T, args ...string) *session {
	t.Helper()
	s := &session{cmd: exec.Command(pidwire, append([]string{"trace"}, layered(args)...)...), copied: make(chan struct{})}
	s.cmd.Stdout = &s.stdout
	r, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.cmd.Process.Kill(); s.cmd.Wait() })
	s.stderr = bufio.NewReader(r)
	for {
		l, err := s.stderr.ReadString('\n')
		s.rest.WriteString(l)
		if strings.HasPrefix(l, "pidwire: watching ") {
			break
		}
		if err != nil {
			t.Fatalf("pidwire %v did not attach: %s", args, s.rest.String())
		}
	}
	go func() { io.Copy(&s.rest, s.stderr); close(s.copied) }()
	return s
}

// stop ends the session as Ctrl-C does, and returns its lines.
func (s *session) stop(t *testing.T) string {
	t.Helper()
	s.cmd.Process.Signal(os.Interrupt)
	return s.wait(t)
}

// wait waits until pidwire exits by itself.
func (s *session) wait(t *testing.T) string {
	t.Helper()
	timer := time.AfterFunc(20*time.Second, func() { s.cmd.Process.Kill() })
	defer timer.Stop()
	<-s.copied
	if err := s.cmd.Wait(); err != nil {
		t.Fatalf("pidwire: %v\n%s%s", err, s.stdout.String(), s.rest.String())
	}
	return s.stdout.String()
}

func mustShow(t *testing.T, lines string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(lines, w) {
			t.Errorf("not shown: %s\nin\n%s", w, lines)
		}
	}
}

func mustHide(t *testing.T, lines string, not ...string) {
	t.Helper()
	for _, n := range not {
		if strings.Contains(lines, n) {
			t.Errorf("shown, but should not be: %s\nin\n%s", n, lines)
		}
	}
}

func TestTargetPID(t *testing.T) {
	needRoot(t)
	a := start(t, "pwactor", "old usr=before pair=after child=kid", nil)
	other := start(t, "pwother", "pair=stranger", nil)
	s := attach(t, a.pid())
	other.act(t)
	a.act(t)
	lines := s.wait(t) // it ends with its target
	mustShow(t, lines, `# open before: UNIX-STREAM`, `"before", 6) = 6`, "socketpair(AF_UNIX", `"after"`, `"kid"`, "+++ exited with 0 +++")
	mustHide(t, lines, "stranger")
	if !strings.Contains(s.rest.String(), "lost sys 0") {
		t.Errorf("no line of counts: %s", s.rest.String())
	}
}

// TestOldEpoll checks that epoll_wait names a connection that was registered before attach, and on
// which no call has been seen.
func TestOldEpoll(t *testing.T) {
	needRoot(t)
	a := start(t, "pwepoll", "old epoll ready=word", nil)
	s := attach(t, a.pid(), "-e", "write,epoll_wait,epoll_pwait")
	a.act(t)
	lines := s.wait(t)
	if !regexp.MustCompile(`(?m) c1 sys  write\(.*"word".*\n.* c2      # open before: UNIX-STREAM\n.* c2 sys  epoll_p?wait\(`).MatchString(lines) {
		t.Errorf("epoll_wait is not joined to what it reports:\n%s", lines)
	}
}

// TestNamespaceInterfaces checks the names of interfaces in another network namespace.
func TestNamespaceInterfaces(t *testing.T) {
	needRoot(t)
	own := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	a := start(t, "pwnetns", "veth member=pwif0 member=veth0", own)
	s := attach(t, a.pid(), "-e", "setsockopt")
	a.act(t)
	lines := s.wait(t)
	mustShow(t, lines, `imr_ifindex=if_nametoindex("pwif0")`, `imr_ifindex=if_nametoindex("veth0")`)
}

// TestOldCookie checks that a socket that was open before attach has its cookie, which all layers
// use.
func TestOldCookie(t *testing.T) {
	needRoot(t)
	a := start(t, "pwcookie", "old usr=word", nil)
	s := attach(t, a.pid(), "--json", "-e", "write")
	a.act(t)
	lines := s.wait(t)
	if release() == 510 {
		// Iterators can assign cookies since 5.12.
		mustShow(t, lines, `"socket":{"inode":`)
		return
	}
	mustShow(t, lines, `"socket":{"cookie":"`)
}

// TestTargetEndsMeanwhile attaches to processes that exit at the same time: either the exit is
// seen, or there was no process to attach to.
func TestTargetEndsMeanwhile(t *testing.T) {
	needRoot(t)
	codes := map[int]int{}
	for i := range 24 {
		c := exec.Command("sleep", fmt.Sprintf("0.%03d", 5+i*6))
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { c.Wait(); close(ended) }()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		out, err := exec.CommandContext(ctx, pidwire, "trace", "-p", fmt.Sprint(c.Process.Pid)).CombinedOutput()
		hung := ctx.Err() != nil
		cancel()
		<-ended
		code := 0
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		switch {
		case hung:
			t.Fatalf("it watches on, though its target has ended:\n%s", out)
		case code == 0:
		case code == 3 && strings.Contains(string(out), fmt.Sprint(c.Process.Pid)):
		default:
			t.Fatalf("exit %d:\n%s", code, out)
		}
		codes[code]++
	}
	t.Logf("by exit code: %v", codes)
}

func TestNoFollow(t *testing.T) {
	needRoot(t)
	a := start(t, "pwactor", "pair=mine child=kid", nil)
	s := attach(t, a.pid(), "--no-follow")
	a.act(t)
	lines := s.wait(t)
	mustShow(t, lines, `"mine"`)
	mustHide(t, lines, `"kid"`)
}

func TestTargetName(t *testing.T) {
	needRoot(t)
	early := start(t, "pwnamed1", "pair=early", nil)
	s := attach(t, "pwnamed*")
	early.act(t)
	// Later matching processes are watched from their exec on, others are not.
	start(t, "pwnamed2", "pair=later child=grandchild", nil).act(t)
	start(t, "pwother", "pair=stranger", nil).act(t)
	time.Sleep(50 * time.Millisecond)
	lines := s.stop(t)
	mustShow(t, lines, `"early"`, "exec ", `"later"`, `"grandchild"`)
	mustHide(t, lines, "stranger", "pwother")
}

func TestTargetUser(t *testing.T) {
	needRoot(t)
	nobody := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 61234, Gid: 61234}}
	s := attach(t, "uid:61234")
	start(t, "pwuser", "pair=theirs", nobody).act(t)
	start(t, "pwroot", "pair=ours", nil).act(t)
	time.Sleep(50 * time.Millisecond)
	lines := s.stop(t)
	mustShow(t, lines, `"theirs"`)
	mustHide(t, lines, `"ours"`)
}

func TestTargetNameOfUser(t *testing.T) {
	needRoot(t)
	stranger := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 61234, Gid: 61234}}
	early := start(t, "pwboth1", "pair=early", nil)
	s := attach(t, "pwboth*@root")
	early.act(t)
	start(t, "pwboth2", "pair=later", nil).act(t)
	start(t, "pwboth3", "pair=otheruser", stranger).act(t)
	start(t, "pwother", "pair=othername", nil).act(t)
	time.Sleep(50 * time.Millisecond)
	lines := s.stop(t)
	mustShow(t, lines, `"early"`, `"later"`)
	mustHide(t, lines, `"otheruser"`, `"othername"`)
}

func TestTargetPort(t *testing.T) {
	needRoot(t)
	holder := start(t, "pwholder", "listen=127.0.0.1:25871 pair=holder", nil)
	s := attach(t, ":25871", ":25872")
	holder.act(t)
	start(t, "pwbinder", "pair=tooearly bind=127.0.0.1:25872 pair=binder", nil).act(t)
	time.Sleep(50 * time.Millisecond)
	lines := s.stop(t)
	mustShow(t, lines, `"holder"`, "htons(25872)", `"binder"`)
	mustHide(t, lines, "tooearly")
}

// cgroup creates a cgroup for the test. It skips the test if cgroup v2 is not mounted.
func cgroup(t *testing.T, name string) string {
	t.Helper()
	root, err := proc.Default.CgroupRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeCgroup(t, dir) })
	return dir
}

// removeCgroup removes a cgroup once its processes have ended.
func removeCgroup(t *testing.T, dir string) {
	t.Helper()
	for range 250 {
		if os.Remove(dir) == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("%s is still in use", dir)
}

func move(t *testing.T, a *actor, dir string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(a.pid()), 0); err != nil {
		t.Fatal(err)
	}
}

func TestTargetCgroup(t *testing.T) {
	needRoot(t)
	id := make([]byte, 32)
	rand.Read(id)
	full := hex.EncodeToString(id)
	for _, test := range []struct{ dir, target string }{
		{"pwtest.slice", "cgroup:/pwtest.slice"},
		{"pwtest.service", "unit:pwtest.service"},
		{"docker-" + full + ".scope", "container:" + full[:12]},
	} {
		t.Run(test.target, func(t *testing.T) {
			dir := cgroup(t, test.dir)
			before := start(t, "pwbefore", "pair=before", nil)
			move(t, before, dir)
			s := attach(t, test.target)
			later := start(t, "pwlater", "pair=later child=kid", nil)
			move(t, later, dir)
			before.act(t)
			later.act(t)
			start(t, "pwoutside", "pair=outside", nil).act(t)
			time.Sleep(50 * time.Millisecond)
			lines := s.stop(t)
			mustShow(t, lines, `"before"`, `"later"`, `"kid"`)
			mustHide(t, lines, `"outside"`)
		})
	}
}

func TestTargetAllAndSeveral(t *testing.T) {
	needRoot(t)
	s := attach(t, "all", "-e", "socketpair,write")
	start(t, "pwany", "pair=anybody", nil).act(t)
	time.Sleep(50 * time.Millisecond)
	mustShow(t, s.stop(t), `"anybody"`, "socketpair(")

	a, b := start(t, "pwone", "pair=one", nil), start(t, "pwtwo", "pair=two", nil)
	c := start(t, "pwthree", "pair=three", nil)
	s = attach(t, "-p", a.pid()+","+b.pid())
	a.act(t)
	b.act(t)
	c.act(t)
	lines := s.wait(t)
	mustShow(t, lines, `"one"`, `"two"`)
	mustHide(t, lines, `"three"`)
}

// TestWaiting checks that a blocked call is shown once as waiting, and again when it returns.
func TestWaiting(t *testing.T) {
	needRoot(t)
	a := start(t, "pwblock", "block=2500ms", nil)
	s := attach(t, a.pid(), "-e", "read")
	a.act(t)
	lines := s.wait(t)
	if n := strings.Count(lines, "<waiting ...>"); n != 1 {
		t.Errorf("%d lines of waiting, want 1:\n%s", n, lines)
	}
	if !regexp.MustCompile(`EAGAIN .* <(2\.[5-9]|[3-9]\.)\d*s>`).MatchString(lines) {
		t.Errorf("the call's return does not show that it took 2.5 s:\n%s", lines)
	}
}

// TestNothingLeft checks that nothing is left in the kernel after an end in order and after a kill
// -9.
func TestNothingLeft(t *testing.T) {
	needRoot(t)
	before := settled(t)
	a := start(t, "pwactor", "pair=x", nil)
	s := attach(t, a.pid(), "-l", "sys,pkt")
	if n := programsLoaded(t) - before; n < 8 {
		t.Fatalf("%d programs loaded while watching: this test sees nothing", n)
	}
	s.stop(t)
	gone(t, before)

	s = attach(t, a.pid(), "-l", "sys,pkt")
	s.cmd.Process.Kill()
	s.cmd.Wait()
	gone(t, before)
}

// settled counts programs after those of earlier tests have been freed.
func settled(t *testing.T) int {
	t.Helper()
	n, same := programsLoaded(t), 0
	for range 100 {
		time.Sleep(50 * time.Millisecond)
		now := programsLoaded(t)
		if now == n {
			if same++; same == 10 {
				break
			}
			continue
		}
		n, same = now, 0
	}
	return n
}

// gone waits until the kernel has freed programs, which takes a grace period.
func gone(t *testing.T, want int) {
	t.Helper()
	var n int
	for range 100 {
		if n = programsLoaded(t); n <= want {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("%d programs are still in the kernel", n-want)
}

func programsLoaded(t *testing.T) int {
	t.Helper()
	n := 0
	for id := ebpf.ProgramID(0); ; n++ {
		next, err := ebpf.ProgramGetNextID(id)
		if errors.Is(err, os.ErrNotExist) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		id = next
	}
}

// TestRecord checks that a recording gives the same lines, also after its writer was killed.
func TestRecord(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	file, live := filepath.Join(dir, "a.pidwire"), filepath.Join(dir, "live")
	a := start(t, "pwactor", "old usr=before pair=after child=kid", nil)
	s := attach(t, a.pid(), "-w", file, "-o", live)
	a.act(t)
	s.wait(t)
	want, err := os.ReadFile(live)
	if err != nil {
		t.Fatal(err)
	}
	got, err := exec.Command(pidwire, "open", "-q", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) || !bytes.Contains(got, []byte(`"kid"`)) {
		t.Errorf("the recording shows other lines\nlive:\n%s\nopened:\n%s", want, got)
	}

	a = start(t, "pwactor", "pair=first block=5s", nil)
	s = attach(t, a.pid(), "-w", file)
	io.WriteString(a.in, "\n")
	time.Sleep(300 * time.Millisecond)
	s.cmd.Process.Kill()
	s.cmd.Wait()
	cmd := exec.Command(pidwire, "open", file)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	got, err = cmd.Output()
	if err != nil {
		t.Fatalf("a killed recording: %v\n%s", err, stderr.String())
	}
	mustShow(t, string(got), `"first"`)
	mustShow(t, stderr.String(), "not closed:")
}

// TestCommandExit checks the exit codes of -- COMMAND.
func TestCommandExit(t *testing.T) {
	needRoot(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	notExec := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(notExec, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		argv []string
		code int
	}{
		{[]string{self, "-test.run", "^$"}, 0},
		{[]string{self, "-test.no.such.flag"}, 2},
		{[]string{"/nonexistent/command"}, 127},
		{[]string{notExec}, 126},
	} {
		cmd := exec.Command(pidwire, append([]string{"trace", "-q", "-o", "/dev/null", "--"}, test.argv...)...)
		err := cmd.Run()
		code := 0
		var ee *exec.ExitError
		if errors.As(err, &ee) {
			code = ee.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if code != test.code {
			t.Errorf("%v: exit code %d, want %d", test.argv, code, test.code)
		}
	}
}

// TestKeysStay checks that key material is neither printed nor recorded, even with long strings.
func TestKeysStay(t *testing.T) {
	needRoot(t)
	prog := build(t, "beyond_keys", "64")
	file := filepath.Join(t.TempDir(), "keys.pidwire")
	if out, err := exec.Command(pidwire, "trace", "-q", "-s", "4096", "-w", file, "--", prog).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// The program prints its lines to stdout, which is not a socket.
	if bytes.Contains(b, []byte("SECRET")) {
		t.Error("the recording holds a key")
	}
	lines, err := exec.Command(pidwire, "open", "-q", "-s", "4096", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	mustShow(t, string(lines), "TLS_CIPHER_AES_GCM_128", "TCP_MD5SIG", "ALG_SET_KEY", "key not shown")
	mustHide(t, string(lines), "SECRET")
}

var inBase64 = regexp.MustCompile(`PIDWIRE_(HEADER|RECORD|PART)=[A-Za-z0-9+/]+=*`)

var takenCalls = regexp.MustCompile(`(?m)^(\d+) taken$`)

// TestKeysCutUp checks that no four bytes of a key are recorded, however the message or option with
// the key is passed to or returned by the kernel.
func TestKeysCutUp(t *testing.T) {
	needRoot(t)
	for _, bits := range []string{"64", "32"} {
		t.Run(bits, func(t *testing.T) {
			if bits == "32" && runtime.GOARCH != "amd64" {
				t.Skip("no 32-bit programs here")
			}
			prog, dir := build(t, "beyond_keymsg", bits), t.TempDir()
			file, began := filepath.Join(dir, "keys.pidwire"), monotonic(t)
			out, err := exec.Command(pidwire, "trace", "-q", "-l", "sys,pkt,krn", "-s", "4096", "-w", file, "--", prog, "all").CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			ended := monotonic(t)
			if m := takenCalls.FindSubmatch(out); m == nil || len(m[1]) < 4 {
				t.Fatalf("fewer than 1,000 calls were taken: %s", out)
			}
			texts := map[string][]byte{"recording": nil}
			if texts["recording"], err = os.ReadFile(file); err != nil {
				t.Fatal(err)
			}
			for name, args := range map[string][]string{"lines": {"-s", "4096"}, "json": {"-s", "4096", "--json"}} {
				if texts[name], err = exec.Command(pidwire, append(append([]string{"open", "-q"}, args...), file)...).Output(); err != nil {
					t.Fatal(name, err)
				}
			}
			capture := filepath.Join(dir, "keys.pcapng")
			if out, err := exec.Command(pidwire, "open", "-q", "-w", capture, file).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if texts["pcapng"], err = os.ReadFile(capture); err != nil {
				t.Fatal(err)
			}
			texts["pcapng"] = inBase64.ReplaceAllFunc(texts["pcapng"], func(b []byte) []byte {
				_, b, _ = bytes.Cut(b, []byte("="))
				raw, _ := base64.RawStdEncoding.DecodeString(strings.TrimRight(string(b), "="))
				return raw
			})
			mustShow(t, string(texts["lines"]), "nlmsg_len=80, nlmsg_type=XFRM_MSG_", "nlmsg_len=80, nlmsg_type=0x13",
				"TLS_TX", "ALG_SET_KEY", "nlmsg_type=NLMSG_ERROR", "key not shown")
			const key = "Q7zX2kV9pW4jH8mT3bN6yL5rC1fG0dSaUvEiOqZ5xK2wP7sJ9hM4tB8nY3gR"
			for name, text := range texts {
				for i := range len(key) - 3 {
					part := key[i : i+4]
					number := binary.LittleEndian.Uint32([]byte(part))
					escaped := fmt.Sprintf("\\x%02x\\x%02x\\x%02x\\x%02x", part[0], part[1], part[2], part[3])
					for _, form := range []string{part, fmt.Sprint(number), fmt.Sprintf("%#x", number), escaped, fmt.Sprintf("%x", part)} {
						for n := range indexes(text, form) {
							if form == part && n+8 <= len(text) && between(binary.LittleEndian.Uint64(text[n:]), began, ended) {
								continue
							}
							if form == fmt.Sprint(number) && withinDigits(text, n, len(form)) {
								continue
							}
							t.Fatalf("the %s has %q of the key: %q", name, form, text[max(0, n-300):min(len(text), n+60)])
						}
					}
				}
			}
		})
	}
}

// monotonic is the time that records have.
func monotonic(t *testing.T) uint64 {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		t.Fatal(err)
	}
	return uint64(ts.Nano())
}

// between tells whether v is a time of the run: the low half of one in some thousands of runs
// equals four bytes of the key, and its high half proves that it is a time.
func between(v, began, ended uint64) bool { return began <= v && v <= ended }

// withinDigits tells whether the number at n is a part of a longer one, such as a time.
func withinDigits(text []byte, n, size int) bool {
	digit := func(i int) bool { return i >= 0 && i < len(text) && '0' <= text[i] && text[i] <= '9' }
	return digit(n-1) || digit(n+size)
}

// indexes yields where part occurs in text.
func indexes(text []byte, part string) iter.Seq[int] {
	return func(yield func(int) bool) {
		for from := 0; ; {
			n := bytes.Index(text[from:], []byte(part))
			if n < 0 || !yield(from+n) {
				return
			}
			from += n + 1
		}
	}
}

// TestKeysOfStrace checks the same for output of strace, which has keys.
func TestKeysOfStrace(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		if os.Getenv("PIDWIRE_MUST") != "" && built == "" {
			t.Fatal("PIDWIRE_MUST is set, and strace is not installed")
		}
		t.Skip("strace is not installed")
	}
	prog := build(t, "beyond_keys", "64")
	printed, file := filepath.Join(t.TempDir(), "keys.strace"), filepath.Join(t.TempDir(), "keys.pidwire")
	if out, err := exec.Command("strace", "-f", "-yy", "-s", "4096", "-o", printed, prog).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(printed)
	if err != nil {
		t.Fatal(err)
	}
	mustShow(t, string(b), "SECRET")
	lines, err := exec.Command(pidwire, "open", "-s", "4096", "-w", file, printed).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines2, err := exec.Command(pidwire, "open", "-s", "4096", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	if b, err = os.ReadFile(file); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(lines), string(lines2), string(b)} {
		mustHide(t, text, "SECRET")
	}
	mustShow(t, string(lines2), "TLS_TX", "TCP_MD5SIG", "ALG_SET_KEY", "key not shown")
}

// TestPidNamespace checks that in a nested pid namespace a command, a process by its pid, and the
// demonstration are watched, and no others. If /proc belongs to another pid namespace, ambiguous
// pids are refused.
func TestPidNamespace(t *testing.T) {
	needRoot(t)
	if _, err := exec.LookPath("unshare"); err != nil {
		if os.Getenv("PIDWIRE_MUST") != "" && built == "" {
			t.Fatal("PIDWIRE_MUST is set, and there is no unshare")
		}
		t.Skip("no unshare")
	}
	prog := build(t, "tcp", "64")
	script := filepath.Join(t.TempDir(), "script")
	err := os.WriteFile(script, []byte(`
PW=$1 PROG=$2 DIR=$3
$PW trace -q -o $DIR/command -- $PROG >/dev/null; echo "command $?"
mkfifo $DIR/go
sh -c "read go <$DIR/go; exec $PROG" >/dev/null & pid=$!
( $PW trace -o $DIR/attached -p $pid 2>$DIR/said; echo "attached $?" >>$DIR/said ) &
until grep -qE 'watching|^attached' $DIR/said; do sleep 0.02; done
echo >$DIR/go
wait
cat $DIR/said
$PW demo >$DIR/demo 2>/dev/null; echo "demo $?"
$PW trace -q -o $DIR/nobody nosuchname --for 500ms; echo "nobody $?"
`), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		in     []string
		refuse bool // a pid with two meanings
		bin    string
	}{
		"nested":         {[]string{"unshare", "-pf", "--mount-proc"}, false, pidwire},
		"twice":          {[]string{"unshare", "-pf", "--mount-proc", "unshare", "-pf", "--mount-proc"}, false, pidwire},
		"proc of host":   {[]string{"unshare", "-pf"}, true, pidwire},
		"proc of middle": {[]string{"unshare", "-pf", "--mount-proc", "unshare", "-pf"}, true, pidwire},
	}
	if os.Getenv("PIDWIRE_BIN") == "" {
		// With cgo, threads are looked up in /proc, where these numbers belong to others.
		cgo := filepath.Join(t.TempDir(), "pidwire")
		cmd := exec.Command("go", "build", "-o", cgo, "../../cmd/pidwire")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		middle := tests["proc of middle"]
		middle.bin = cgo
		tests["proc of middle, cgo"] = middle
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute) // under emulation a start takes 15 s
			defer cancel()
			args := append(append([]string{}, test.in[1:]...), "sh", script, test.bin, prog, dir)
			cmd := exec.CommandContext(ctx, test.in[0], args...)
			cmd.WaitDelay = time.Second // its children may live on and hold the pipe
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			file := func(name string) string {
				b, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
				return string(b)
			}
			for _, want := range []string{"command 0\n", "demo 0\n", "nobody 0\n"} {
				if !strings.Contains(string(out), want) {
					t.Errorf("no %q in:\n%s", want, out)
				}
			}
			if lines := file("command"); !strings.Contains(lines, "connect(") || !strings.Contains(lines, "+++ exited with 0 +++") {
				t.Errorf("the command:\n%s", lines)
			}
			if lines := file("demo"); !strings.Contains(lines, " pkt ") || !strings.Contains(lines, "connect(") {
				t.Errorf("the demonstration:\n%s", lines)
			}
			if lines := file("nobody"); lines != "" {
				t.Errorf("nobody:\n%s", lines)
			}
			attached := file("attached")
			// If no other process in /proc has this number, it is unambiguous.
			if test.refuse && !strings.Contains(string(out), "attached 0\n") {
				if !strings.Contains(string(out), "attached 4\n") || !strings.Contains(string(out), "ambiguous pid") || attached != "" {
					t.Errorf("not refused:\n%s\n%s", out, attached)
				}
			} else if !strings.Contains(string(out), "attached 0\n") || !strings.Contains(attached, "connect(") {
				t.Errorf("attached:\n%s\n%s", out, attached)
			}
		})
	}
}
