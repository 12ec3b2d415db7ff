//go:build linux

package load

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/pidwire/pidwire/internal/source/bpf/object"
)

// needRoot skips a test that needs root, unless the environment
// requires that it runs (CI and the kernels under emulation).
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("PIDWIRE_MUST") != "" {
			t.Fatal("PIDWIRE_MUST is set, and this is not root")
		}
		t.Skip("needs root")
	}
}

// TestLoad loads and attaches all programs, as a run does. All notes must be
// known ones.
func TestLoad(t *testing.T) {
	needRoot(t)
	k, err := Load(Config{Self: uint32(os.Getpid()), Follow: true, StrLen: 32, AskExec: true,
		UIDs: []uint32{4242}, Ports: []uint16{1}, Calls: func(string) bool { return true }, Packets: true, Snaplen: 256})
	if err != nil {
		var ve *ebpf.VerifierError
		if errors.As(err, &ve) {
			t.Fatalf("%+v", ve)
		}
		t.Fatal(err)
	}
	defer k.Close()
	for _, n := range k.Notes {
		t.Logf("degraded: %s\n%+v", n.Text, n.Err)
	}
	if want := (Works{Cookies: true, Uring: true, Perf: k.Works.Perf, Packets: true, States: true, DeviceIn: true, DeviceOut: true}); k.Works != want {
		t.Errorf("works on %s: %+v", Release(), k.Works)
	}
}

// TestLoadVariants loads the programs with each of the settings that the verifier treats as
// constants, so that it verifies other paths of the same code.
func TestLoadVariants(t *testing.T) {
	needRoot(t)
	for name, c := range map[string]Config{
		"all":     {All: true, Follow: true, Env: true, StrLen: 0},
		"kernel":  {Kernel: true, Follow: true, StrLen: 32, Snaplen: 256},
		"tree":    {Kernel: true, Tree: true, Stacks: true, Packets: true, Follow: true, StrLen: 32, Snaplen: 256},
		"raw":     {Kernel: true, NoTracing: true, Follow: true, StrLen: 32, Snaplen: 256},
		"twice":   {Kernel: true, Twice: true, Packets: true, Follow: true, StrLen: 32, Snaplen: 256},
		"drops":   {Kernel: true, Drops: true, NoCalls: true, Follow: true, StrLen: 32, Snaplen: 256},
		"long":    {StrLen: MaxStrLen, RingBytes: 4 * DefaultRing},
		"cgroups": {Cgroups: []string{"/"}, Follow: true, StrLen: 32},
		"packets": {NoCalls: true, Packets: true, Snaplen: MaxSnaplen, Follow: true},
	} {
		t.Run(name, func(t *testing.T) {
			c.Self = uint32(os.Getpid())
			k, err := Load(c)
			if err != nil {
				t.Fatalf("%+v", err)
			}
			defer k.Close()
			if !c.Kernel {
				return
			}
			// Events that the kernel does not have are in one note, without an error.
			for _, n := range k.Notes {
				if c.Tree && !exactHere(t) && strings.HasPrefix(n.Text, "the tree consists of functions found on stacks") {
					continue
				}
				if n.Err != nil {
					t.Errorf("%s: %+v", n.Text, n.Err)
				}
			}
			if c.NoTracing && (!k.raw || !k.Works.States) {
				t.Error("not by raw tracepoints")
			}
			if !k.Tells(object.KernelProgKernelDrop) || c.Tree && k.Exact != exactHere(t) || c.Tree && !k.Exact && !k.Works.Steps {
				t.Errorf("kernel_drop: %v, functions: %v, steps: %v", k.Tells(object.KernelProgKernelDrop), k.Exact, k.Works.Steps)
			}
		})
	}
	if _, err := Load(Config{StrLen: MaxStrLen + 1}); err == nil {
		t.Error("a string size above the most that can be copied was accepted")
	}
}

// exactHere reports whether the kernel can trace many functions at once: it
// has fprobe or function_graph.
func exactHere(t *testing.T) bool {
	t.Helper()
	if b, err := os.ReadFile("/sys/kernel/tracing/available_tracers"); err == nil && bytes.Contains(b, []byte("function_graph")) {
		return true
	}
	b, err := os.ReadFile("/proc/kallsyms")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(b, []byte(" bpf_kprobe_multi_link_attach\n")) && bytes.Contains(b, []byte(" register_fprobe_ips\n"))
}

// BenchmarkLoad measures the time to load and attach all programs.
func BenchmarkLoad(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Skip("needs root")
	}
	for b.Loop() {
		k, err := Load(Config{Self: uint32(os.Getpid()), Follow: true, StrLen: 32})
		if err != nil {
			b.Fatal(err)
		}
		k.Close()
	}
}
