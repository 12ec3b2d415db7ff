package live

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/source/proc"
)

// apart is in the environment of this program where it is to become another one in new namespaces: the flags
// of unshare(2). Not every machine's unshare(1) has all of them.
const apart = "PIDWIRE_TEST_APART"

// become is main where apart is set.
func become() error {
	flags, err := strconv.Atoi(os.Getenv(apart))
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	if err := unix.Unshare(flags); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	os.Unsetenv(apart)
	return unix.Exec(os.Args[1], os.Args[1:], os.Environ())
}

// scriptIn runs a shell script in new namespaces.
func scriptIn(t *testing.T, flags int, script string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute) // under emulation a start takes 15 s
	defer cancel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe", append([]string{sh, "-c", script, "sh"}, args...)...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", apart, flags))
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// TestNoCgroups watches packets where cgroup v2 is not mounted, as on hosts that use version 1 alone: by a
// mount that nobody else sees.
func TestNoCgroups(t *testing.T) {
	needRoot(t)
	root, err := proc.Default.CgroupRoot()
	if err != nil {
		t.Fatal(err)
	}
	prog := build(t, "tcp", "64")
	lines := filepath.Join(t.TempDir(), "lines")
	out := scriptIn(t, unix.CLONE_NEWNS, `umount -l "$1" && "$2" -l sys,pkt -o "$4" -- "$3" >/dev/null 2>&1; echo "code $?"; grep -c cgroup2 /proc/self/mountinfo; "$2" doctor | grep '^pkt'`,
		root, pidwire, prog, lines)
	if !strings.Contains(out, "code 0\n0\n") || !strings.Contains(out, "pkt  ok") {
		t.Errorf("got:\n%s", out)
	}
	b, err := os.ReadFile(lines)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(b), " pkt "); n < 6 {
		t.Errorf("%d packets:\n%s", n, b)
	}
}

// TestCgroupNamespace watches, from within a cgroup namespace, a process that is outside of it. Its packets
// are shown where the namespace of process 1 can be entered; else it is said that they are not.
func TestCgroupNamespace(t *testing.T) {
	needRoot(t)
	root, err := proc.Default.CgroupRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	inside := filepath.Join(root, "pidwire-test-"+filepath.Base(filepath.Dir(dir)))
	if err := os.Mkdir(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.Remove(inside); err != nil {
			t.Error(err)
		}
	}()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out := scriptIn(t, unix.CLONE_NEWNS, `
ROOT=$1 PW=$2 PROG=$3 DIR=$4 IN=$5 SELF=$6
mkfifo $DIR/go
sh -c "read go <$DIR/go; exec $PROG" >/dev/null & pid=$!
echo $$ >$IN/cgroup.procs || exit 1
( `+apart+`=`+strconv.Itoa(unix.CLONE_NEWNS|unix.CLONE_NEWCGROUP)+` $SELF /bin/sh -c "umount -l $ROOT && mount -t cgroup2 none $ROOT && exec $PW trace -l sys,pkt -o $DIR/lines -p $pid" 2>$DIR/said; echo "code $?" >>$DIR/said ) &
until grep -qE 'watching|^code' $DIR/said; do sleep 0.02; done
echo >$DIR/go
wait
echo $$ >$ROOT/cgroup.procs
cat $DIR/said $DIR/lines
`, root, pidwire, build(t, "tcp", "64"), dir, inside, self)
	if !strings.Contains(out, "code 0\n") || !strings.Contains(out, "connect(") {
		t.Fatalf("got:\n%s", out)
	}
	_, err = os.Readlink("/proc/1/ns/cgroup")
	said := strings.Contains(out, "packets of sockets that were created in other cgroups are not shown")
	if shown := strings.Contains(out, " pkt "); shown == said || shown != (err == nil) {
		t.Errorf("process 1's namespace: %v; packets: %v; said that there are none: %v\n%s", err, shown, said, out)
	}
}

// memoryCgroup makes a cgroup whose memory can be limited, in whichever version has the controller, and returns its
// folder and the names of its files.
func memoryCgroup(t *testing.T) (dir, limit, events string) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		left, right, _ := strings.Cut(line, " - ")
		about := strings.Fields(right)
		if len(about) < 3 || len(strings.Fields(left)) < 5 {
			continue
		}
		root := strings.Fields(left)[4]
		switch {
		case about[0] == "cgroup" && slices.Contains(strings.Split(about[2], ","), "memory"):
			dir, limit, events = root, "memory.limit_in_bytes", "memory.oom_control"
		case about[0] == "cgroup2" && dir == "" && os.WriteFile(root+"/cgroup.subtree_control", []byte("+memory"), 0) == nil:
			dir, limit, events = root, "memory.max", "memory.events"
		}
	}
	if dir == "" {
		// Since 6.14 /proc/cgroups has what version 1 has alone.
		v1, _ := os.ReadFile("/proc/cgroups")
		v2 := ""
		if root, err := proc.Default.CgroupRoot(); err == nil {
			b, _ := os.ReadFile(root + "/cgroup.controllers")
			v2 = string(b)
		}
		if regexp.MustCompile(`(?m)^memory\t.*\t1$`).Match(v1) || slices.Contains(strings.Fields(v2), "memory") {
			t.Fatal("this kernel has cgroups with memory limits, and none can be made")
		}
		t.Skip("this kernel has no cgroups with memory limits (CONFIG_MEMCG, cgroup_disable=memory)")
	}
	dir = fmt.Sprintf("%s/pidwire-memory-%d", dir, os.Getpid())
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeCgroup(t, dir) })
	return dir, limit, events
}

// TestMemoryLimit runs in containers' conditions: within a cgroup's limit a run takes less, so that the kernel kills
// nobody, who may be the watched process; where even that does not fit it says so, and starts nothing.
func TestMemoryLimit(t *testing.T) {
	needRoot(t)
	for _, test := range []struct {
		mib  int
		args string
		code int
		says string
	}{
		{250, "-l sys,pkt -- true", 0, "+++ exited with 0 +++"},
		{250, "-- true", 0, "+++ exited with 0 +++"},
		{64, "-l sys,pkt -- true", 4, "too little memory: the limit in "},
		{64, "doctor", 4, "mem  off"},
		{64, "conns -p 1", 4, "too little memory: the limit in "},
		{64, "demo", 4, "too little memory: the limit in "},
		{64, "--buffer much -- true", 2, "--buffer much: a size"},
	} {
		t.Run(fmt.Sprintf("%d MiB %s", test.mib, test.args), func(t *testing.T) {
			dir, limit, events := memoryCgroup(t)
			if err := os.WriteFile(dir+"/"+limit, fmt.Appendf(nil, "%d", test.mib<<20), 0); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("/bin/sh", append([]string{"-c", `echo $$ >"$0" && exec "$@"`, dir + "/cgroup.procs", pidwire}, strings.Fields(test.args)...)...)
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState.ExitCode() != test.code || !bytes.Contains(out, []byte(test.says)) {
				t.Errorf("%v, want exit code %d and %q:\n%s", err, test.code, test.says, out)
			}
			b, err := os.ReadFile(dir + "/" + events)
			if err != nil || !regexp.MustCompile(`(?m)^oom_kill 0$`).Match(b) {
				t.Errorf("somebody was killed: %v\n%s", err, b)
			}
		})
	}
}
