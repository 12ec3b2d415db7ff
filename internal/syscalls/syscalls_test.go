package syscalls_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

var (
	define = regexp.MustCompile(`(?m)^#define\s+__NR(3264)?_(\w+)\s+(\d+|__NR3264_\w+|\(__X32_SYSCALL_BIT \+ (\d+)\))\s*$`)
)

// header returns the syscall numbers of a kernel header. It skips the test if the header is
// not installed.
func header(t *testing.T, paths ...string) map[string]uint32 {
	t.Helper()
	var text []byte
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err == nil {
			text = b
			break
		}
		if !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	if text == nil {
		if os.Getenv("PIDWIRE_MUST") != "" {
			t.Fatalf("PIDWIRE_MUST is set, and none is installed: %s", strings.Join(paths, ", "))
		}
		t.Skipf("not installed: %s", strings.Join(paths, ", "))
	}
	nums, refs := map[string]uint32{}, map[string]string{}
	for _, m := range define.FindAllStringSubmatch(string(text), -1) {
		name, value := m[1]+m[2], m[3]
		if m[4] != "" {
			value = m[4]
		}
		if target, ok := strings.CutPrefix(value, "__NR3264_"); ok {
			refs[name] = "3264" + target
			continue
		}
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		nums[name] = uint32(n)
	}
	for name, target := range refs {
		nums[name] = nums[target]
	}
	if len(nums) < 250 {
		t.Fatalf("only %d numbers found in %v", len(nums), paths)
	}
	return nums
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		name  string
		abi   uint8
		exact bool // the header has exactly the calls of the ABI
		paths []string
	}{
		{"x86_64", wire.AbiX8664, true, []string{"/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"}},
		{"i386", wire.AbiI386, true, []string{"/usr/include/x86_64-linux-gnu/asm/unistd_32.h", "/usr/include/asm/unistd_32.h"}},
		// The generic header also has names of 32-bit ABIs.
		{"arm64", wire.AbiARM64, false, []string{"/usr/include/asm-generic/unistd.h"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := header(t, c.paths...)
			for i := range syscalls.Table {
				call := &syscalls.Table[i]
				got, has := call.Number(c.abi)
				n, there := want[call.Name]
				switch {
				case has && !there:
					t.Errorf("%s: %d here, not in the header", call.Name, got)
				case has && got != n:
					t.Errorf("%s: %d here, %d in the header", call.Name, got, n)
				case !has && there && c.exact:
					t.Errorf("%s: none here, %d in the header", call.Name, n)
				}
				if has && syscalls.Find(c.abi, got, 0) != call {
					t.Errorf("%s: FindCall(%d) gives another call", call.Name, got)
				}
			}
		})
	}
}

// TestX32 checks that every call is found by its x32 number.
func TestX32(t *testing.T) {
	want := header(t, "/usr/include/x86_64-linux-gnu/asm/unistd_x32.h", "/usr/include/asm/unistd_x32.h")
	const bit = 0x40000000
	for i := range syscalls.Table {
		call := &syscalls.Table[i]
		n, there := want[call.Name]
		if !there {
			continue
		}
		for _, nr := range []uint32{n, n | bit} {
			if got := syscalls.Find(wire.AbiX32, nr, 0); got != call {
				t.Errorf("%s: FindCall(x32, %#x) = %v", call.Name, nr, name(got))
			}
		}
		delete(want, call.Name)
	}
	// No number may find another call.
	for other, n := range want {
		if got := syscalls.Find(wire.AbiX32, n|bit, 0); got != nil {
			t.Errorf("%s (%d) is taken for %s", other, n, got.Name)
		}
	}
}

func name(c *syscalls.Call) string {
	if c == nil {
		return "nothing"
	}
	return c.Name
}

// TestNetworkClass checks that Table has all of strace's %network, and marks nothing else as
// Network (strace 7.2, flag TN in src/linux/*/syscallent.h).
func TestNetworkClass(t *testing.T) {
	const plain = "socket bind connect listen accept accept4 getsockname getpeername socketpair sendto recvfrom sendmsg recvmsg " +
		"sendmmsg recvmmsg shutdown setsockopt getsockopt sendfile"
	for _, c := range []struct {
		name    string
		abi     uint8
		numbers map[string]uint32 // nil: only the names are checked
		names   string
	}{
		{"x86_64", wire.AbiX8664, nil, plain + " getpmsg putpmsg"},
		{"arm64", wire.AbiARM64, map[string]uint32{
			"socket": 198, "bind": 200, "accept": 202, "connect": 203, "sendto": 206, "setsockopt": 208, "shutdown": 210,
			"sendmsg": 211, "recvmsg": 212, "accept4": 242, "recvmmsg": 243, "sendmmsg": 269, "sendfile": 71,
		}, plain},
		{"i386", wire.AbiI386, map[string]uint32{
			"socket": 359, "socketpair": 360, "bind": 361, "connect": 362, "listen": 363, "accept4": 364, "getsockopt": 365,
			"setsockopt": 366, "getsockname": 367, "getpeername": 368, "sendto": 369, "sendmsg": 370, "recvfrom": 371,
			"recvmsg": 372, "shutdown": 373, "recvmmsg": 337, "recvmmsg_time64": 417, "sendmmsg": 345, "sendfile": 187,
			"sendfile64": 239, "getpmsg": 188, "putpmsg": 189,
		}, strings.Replace(plain, " accept ", " ", 1) + " recvmmsg_time64 sendfile64 getpmsg putpmsg"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := map[string]bool{}
			for _, n := range strings.Fields(c.names) {
				want[n] = true
			}
			for i := range syscalls.Table {
				call := &syscalls.Table[i]
				n, has := call.Number(c.abi)
				if w, ok := c.numbers[call.Name]; ok && (!has || n != w) {
					t.Errorf("%s: number %d, want %d", call.Name, n, w)
				}
				if has && call.Network != want[call.Name] {
					t.Errorf("%s: in %%network: %v, in strace's: %v", call.Name, call.Network, want[call.Name])
				}
				if has {
					delete(want, call.Name)
				}
			}
			for n := range want {
				t.Errorf("%s is not followed", n)
			}
		})
	}
}

// TestSocketcall checks the numbers in socketcall(2) against linux/net.h.
func TestSocketcall(t *testing.T) {
	names := strings.Fields("socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom " +
		"shutdown setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg")
	for i, want := range names {
		sub := uint8(i + 1)
		got := syscalls.Find(wire.AbiI386, syscalls.Socketcall, sub)
		if name(got) != want {
			t.Errorf("socketcall(%d) is %s, want %s", sub, name(got), want)
			continue
		}
		if !got.Network {
			t.Errorf("socketcall(%d), %s, is not in %%network", sub, want)
		}
	}
	for _, sub := range []uint8{syscalls.VectorMax + 1, 99, 255} {
		if got := syscalls.Find(wire.AbiI386, syscalls.Socketcall, sub); got != nil {
			t.Errorf("socketcall(%d) is %s", sub, got.Name)
		}
	}
	if got := syscalls.Find(wire.AbiI386, syscalls.Socketcall, 0); got != nil {
		t.Errorf("socketcall itself is %s", got.Name)
	}
}

func TestFindCall(t *testing.T) {
	for _, c := range []struct {
		abi  uint8
		nr   uint32
		want string
	}{
		{wire.AbiX8664, 0, "read"},
		{wire.AbiX8664, 42, "connect"},
		{wire.AbiI386, 42, "nothing"}, // pipe
		{wire.AbiARM, 289, "send"},
		{wire.AbiARM64, 203, "connect"},
		{wire.AbiX32, 517 | 0x40000000, "recvfrom"},
		{wire.AbiX32, 45 | 0x40000000, "recvfrom"},
		{wire.AbiX8664, 517, "nothing"},
		{wire.AbiX8664, 1 << 31, "nothing"},
		{wire.AbiX32, 1<<32 - 1, "nothing"},
		{0, 42, "nothing"},
		{255, 42, "nothing"},
	} {
		if got := name(syscalls.Find(c.abi, c.nr, 0)); got != c.want {
			t.Errorf("FindCall(%d, %#x) is %s, want %s", c.abi, c.nr, got, c.want)
		}
	}
	for i := range syscalls.Table {
		n := syscalls.Table[i].Name
		if syscalls.ByName(n) != &syscalls.Table[i] {
			t.Errorf("CallByName(%s) gives another call: is the name there twice?", n)
		}
	}
	if syscalls.ByName("openat") != nil {
		t.Error("CallByName(openat) gives a call")
	}
	for nr, n := range syscalls.X32 {
		if syscalls.ByName(n) == nil {
			t.Errorf("X32Numbers has %d, %s, which is not in Calls", nr, n)
		}
	}
}
