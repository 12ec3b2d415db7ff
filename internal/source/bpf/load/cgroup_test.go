//go:build linux

package load

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/pidwire/pidwire/internal/source/proc"
)

// cgroup creates a cgroup for a test.
func cgroup(t *testing.T) string {
	t.Helper()
	root, err := proc.Default.CgroupRoot()
	if err != nil {
		t.Fatal(err)
	}
	path, err := os.MkdirTemp(root, "pidwire-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	})
	return path
}

// alone creates a cgroup with a program at egress that is attached without BPF_F_ALLOW_MULTI.
func alone(t *testing.T) (path string, id ebpf.ProgramID) {
	t.Helper()
	path = cgroup(t)
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "jealous", Type: ebpf.CGroupSKB, AttachType: ebpf.AttachCGroupInetEgress, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	dir, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := link.RawAttachProgram(link.RawAttachProgramOptions{Target: int(dir.Fd()), Program: p, Attach: ebpf.AttachCGroupInetEgress}); err != nil {
		t.Fatal(err)
	}
	info, err := p.Info()
	if err != nil {
		t.Fatal(err)
	}
	id, _ = info.ID()
	return path, id
}

// TestAlone checks that the error names a hook that is used exclusively by another program, and that then no packets
// are captured, as those of only one direction would be misleading.
func TestAlone(t *testing.T) {
	needRoot(t)
	path, id := alone(t)
	c := Config{Self: uint32(os.Getpid()), Follow: true, StrLen: 32, Packets: true, Snaplen: 256}
	k, err := loadAt(c, &cgroups{path: path, whole: true})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	i := slices.IndexFunc(k.Notes, func(n Note) bool { return strings.HasPrefix(n.Text, "packets are not shown") })
	if i < 0 {
		t.Fatalf("nothing says that packets are not shown: %v", k.Notes)
	}
	var said *AloneError
	n := k.Notes[i]
	if !errors.As(n.Err, &said) || said.ID != id || said.Name != "jealous" || said.Hook != "cgroup_inet_egress" || said.Cgroup != path {
		t.Errorf("the cause is %v, want program %d", n.Err, id)
	}
	if !strings.Contains(n.Fix, "bpftool cgroup detach "+path) {
		t.Errorf("what to do: %q", n.Fix)
	}
	if want := (Works{Cookies: true, Uring: true, Perf: k.Works.Perf, States: true}); k.Works != want {
		t.Errorf("works: %+v", k.Works)
	}
	if gone := k.Detached(); len(gone) > 0 {
		t.Errorf("detached: %v", gone)
	}
	for _, as := range tapHooks {
		if as == ebpf.AttachCGroupInetSockCreate {
			continue // has the program for cookies
		}
		want := 0
		if as == ebpf.AttachCGroupInetEgress {
			want = 1
		}
		if got := programsAt(t, path, as); got != want {
			t.Errorf("%s has %d programs, want %d", as, got, want)
		}
	}

	c.NoCalls = true
	if k, err := loadAt(c, &cgroups{path: path, whole: true}); !errors.As(err, &said) || !errors.Is(err, ErrPackets) {
		t.Errorf("packets alone: %v", err)
		if err == nil {
			k.Close()
		}
	}
}

func programsAt(t *testing.T, path string, as ebpf.AttachType) int {
	t.Helper()
	dir, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	q, err := link.QueryPrograms(link.QueryOptions{Target: int(dir.Fd()), Attach: as})
	if err != nil {
		t.Fatal(err)
	}
	return len(q.Programs)
}

// TestDetached checks that Detached reports programs that others have detached.
func TestDetached(t *testing.T) {
	needRoot(t)
	k, err := loadAt(Config{Self: uint32(os.Getpid()), Follow: true, StrLen: 32, Packets: true, Snaplen: 256}, &cgroups{path: cgroup(t), whole: true})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if gone := k.Detached(); len(gone) > 0 {
		t.Errorf("before it: %v", gone)
	}
	for _, h := range k.hooks {
		if h.as == ebpf.AttachCGroupInetIngress {
			if err := h.link.Detach(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if gone := k.Detached(); !slices.Equal(gone, []string{"cgroup_inet_ingress"}) {
		t.Errorf("after it: %v", gone)
	}
	if gone := k.Detached(); len(gone) > 0 {
		t.Errorf("once more: %v", gone)
	}
}
