//go:build linux

package load

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/pidwire/pidwire/internal/source/bpf/object"
)

var objects = map[string]func() (*ebpf.CollectionSpec, error){
	"syscalls": object.LoadSyscalls, "process": object.LoadProcess, "sockets": object.LoadSockets, "uring": object.LoadUring, "packets": object.LoadPackets,
	"device": object.LoadDevice, "kernel": object.LoadKernel, "path": object.LoadPath, "waits": object.LoadWaits, "steps": object.LoadSteps, "tree": object.LoadTree, "audit": object.LoadAudit, "blocked": object.LoadBlocked, "pids": object.LoadPids, "ifaces": object.LoadIfaces,
}

func TestPreemptedAtTracepoints(t *testing.T) {
	for release, want := range map[string]bool{
		"5.10.0-48-cloud-amd64": false, "6.19.14": false, "7.0.0-rc1": true, "7.2.12+deb14-cloud-amd64": true, "10.0": true, "unknown": false, "": false,
	} {
		if got := PreemptedAtTracepoints(release); got != want {
			t.Errorf("%q: %v", release, got)
		}
	}
}

// TestSecondCopies checks which programs have a second copy: all at tracepoints, except the
// listed ones.
func TestSecondCopies(t *testing.T) {
	single := map[string]string{
		"cookie_state":     "asks for a cookie, which others do too",
		"device_in":        "in softirq",
		"device_out":       "softirqs are off",
		"kernel_skb_queue": "softirqs are off",
		"kernel_skb_send":  "softirqs are off",
		"kernel_switch":    "in the scheduler",
		"softirq_begins":   "in softirq",
		"softirq_ends":     "in softirq",
		"tree_step":        "stacks are samples",
	}
	for name, load := range objects {
		spec, err := load()
		if err != nil {
			t.Fatal(err)
		}
		var want, got []string
		for name, p := range spec.Programs {
			if (p.Type == ebpf.RawTracepoint || p.AttachType == ebpf.AttachTraceRawTp) && single[name] == "" {
				want = append(want, name)
			}
		}
		if m := spec.Maps[object.ProcessMapTurns]; m != nil && (m.ValueSize != sizeTurn || m.MaxEntries != turns) {
			t.Errorf("%s: turns of %d bytes, %d", name, m.ValueSize, m.MaxEntries)
		}
		second, err := secondCopies(spec)
		if err != nil {
			t.Fatal(err)
		}
		if second != nil {
			got = slices.Collect(maps.Keys(second.Programs))
			var first, again uint8
			if spec.Variables[object.ProcessVarCfgTurn].Get(&first) != nil || second.Variables[object.ProcessVarCfgTurn].Get(&again) != nil || first != turnFirst || again != turnSecond {
				t.Errorf("%s: turns %d, %d", name, first, again)
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// TestEveryPartIsKnown checks the lists of this package against the objects: each variable
// is set, each map is shared or an object's own, and no list has a name that is in no
// object.
func TestEveryPartIsKnown(t *testing.T) {
	k := &Kernel{}
	settings, known := k.settings(Config{}), k.Maps.byName()
	variables, maps, programs := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for name, load := range objects {
		spec, err := load()
		if err != nil {
			t.Fatal(err)
		}
		if err := configure(spec, settings); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := k.Maps.shared(spec); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for v := range spec.Variables {
			variables[v] = true
		}
		for m := range spec.Maps {
			maps[m] = true
		}
		for name, p := range spec.Programs {
			programs[name] = true
			if p.Name != name {
				t.Errorf("program %s calls itself %s", name, p.Name)
			}
		}
	}
	for name := range settings {
		if !variables[name] || slices.Contains(ownVariables, name) {
			t.Errorf("%s is set, and no object has it, or it is an object's own", name)
		}
	}
	for _, name := range ownVariables {
		if !variables[name] {
			t.Errorf("%s: no object has it", name)
		}
	}
	for name := range known {
		if !maps[name] || slices.Contains(ownMaps, name) {
			t.Errorf("map %s: no object has it, or it is an object's own", name)
		}
	}
	for _, name := range ownMaps {
		if !maps[name] {
			t.Errorf("map %s: no object has it", name)
		}
	}
	for name := range harmless {
		if !programs[name] {
			t.Errorf("program %s: no object has it", name)
		}
	}
}

// TestStrangePartsAreErrors checks that an unknown variable, map or program is an
// error.
func TestStrangePartsAreErrors(t *testing.T) {
	open := func() (*ebpf.CollectionSpec, *object.ProcessSpecs) {
		spec, o, err := object.Open[object.ProcessSpecs](object.LoadProcess)
		if err != nil {
			t.Fatal(err)
		}
		return spec, o
	}
	k := &Kernel{}
	settings := k.settings(Config{})

	spec, o := open()
	spec.Variables["cfg_misspelt"] = o.CfgSelf
	if err := configure(spec, settings); err == nil || !strings.Contains(err.Error(), "cfg_misspelt") {
		t.Errorf("a variable that nobody sets: %v", err)
	}
	spec, _ = open()
	settings[object.ProcessVarCfgSelf] = uint16(1)
	if err := configure(spec, settings); err == nil || !strings.Contains(err.Error(), "cfg_self") {
		t.Errorf("a value of another size: %v", err)
	}
	spec, o = open()
	spec.Maps["misspelt"] = o.Ring
	if _, err := k.Maps.shared(spec); err == nil || !strings.Contains(err.Error(), "misspelt") {
		t.Errorf("a map that nobody knows: %v", err)
	}
	if err := k.Maps.make(&ebpf.MapSpec{Name: "misspelt"}); err == nil {
		t.Error("a map that nobody knows was made")
	}
	spec, _ = open()
	if _, err := k.load(Config{}, spec, nil, &ebpf.ProgramSpec{Name: "misspelt"}); err == nil || !strings.Contains(err.Error(), "misspelt") {
		t.Errorf("a program that the object does not have: %v", err)
	}
	if _, _, err := object.Open[object.UringSpecs](object.LoadProcess); err == nil {
		t.Error("an object was opened as another one")
	}
}
