//go:build linux

package load

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/pidwire/pidwire/internal/source/bpf/object"
)

// settings returns the values of the variables that several objects have, by name.
// An object has the variables of the headers that it includes.
func (k *Kernel) settings(c Config) map[string]any {
	return map[string]any{
		object.ProcessVarCfgSelf:     c.Self,
		object.ProcessVarCfgAll:      c.All,
		object.ProcessVarCfgUids:     len(c.UIDs) > 0,
		object.ProcessVarCfgCgroups:  uint8(len(c.Cgroups)),
		object.ProcessVarCfgPorts:    len(c.Ports) > 0,
		object.ProcessVarCfgWide:     c.All || len(c.UIDs) > 0 || len(c.Cgroups) > 0 || len(c.Ports) > 0,
		object.ProcessVarCfgExec:     c.AskExec,
		object.ProcessVarCfgFollow:   c.Follow,
		object.ProcessVarCfgStrlen:   c.StrLen,
		object.SyscallsVarCfgPayload: c.Payload, object.SyscallsVarCfgTurnPayload: c.Payload / 4,
		object.ProcessVarCfgCast:     k.cast,
		object.PacketsVarCfgSnaplen:  c.Snaplen,
		object.PacketsVarCfgOld:      k.adopt == nil,
		object.PacketsVarCfgFilter:   k.Filtered,
		object.PacketsVarCfgPackets:  c.Packets,
		object.PacketsVarCfgEvents:   c.Kernel,
		object.PacketsVarCfgStorage:  !k.bare,
		object.PacketsVarCfgKstack:   c.Tree && !k.Exact || c.Stacks,
		object.PacketsVarCfgUstack:   c.Stacks,
		object.PacketsVarCfgDrops:    c.Drops,
		object.PacketsVarCfgSoftirqs: c.Kernel,
		object.SyscallsVarCfgReturns: !c.NoCalls,
		object.SyscallsVarCfgGaps:    c.Kernel && !c.Drops && !c.NoCalls,
		object.SyscallsVarCfgLoaded:  sinceBoot(),
		object.ProcessVarCfgCalls:    !c.NoCalls,
		object.ProcessVarCfgEnv:      c.Env,
		object.PacketsVarCfgPasses:   k.passes,
		object.PacketsVarCfgEnds:     k.ends && !k.bare, // without socket storage the packets do not get this
	}
}

// ownVariables are set by the functions that load their object.
var ownVariables = []string{
	object.SyscallsVarCfgPerf, object.SyscallsVarCfgTurn, object.SocketsVarCfgNumber, object.BlockedVarCfgBlocked,
	object.UringVarCfgSubmit, object.UringVarCfgComplete, object.UringVarCfgOverflowCqe, object.PidsVarCfgLevel,
	object.KernelVarCfgDropArgs, object.KernelVarCfgResetArgs, object.KernelVarCfgCongestion,
}

// configure sets the variables that several objects have. It returns an error for a cfg_
// variable that is neither in settings nor in ownVariables.
func configure(spec *ebpf.CollectionSpec, settings map[string]any) error {
	for name, variable := range spec.Variables {
		if !strings.HasPrefix(name, "cfg_") || slices.Contains(ownVariables, name) {
			continue
		}
		v, ok := settings[name]
		if !ok {
			return fmt.Errorf("variable %s: it is never set", name)
		}
		if b, ok := v.(bool); ok {
			v = uint8(0)
			if b {
				v = uint8(1)
			}
		}
		if err := variable.Set(v); err != nil {
			return fmt.Errorf("variable %s: %w", name, err)
		}
	}
	return nil
}

// Maps holds the maps that several objects share. Those after Spread are nil if neither
// packets nor kernel events are requested, or if they are not available.
type Maps struct {
	Ring, Targets, Refused, Undecided, Threads, Calls, Uids, Ports, Cgroups, Lost, LostEvents, Maybe, Reader, Gone, Spread *ebpf.Map

	Owners, LostPackets, Flows, FlowPorts, OldSocks, OwnedSocks, People, Softirqs *ebpf.Map

	Functions, Walks, NoWalk *ebpf.Map // for the tree of functions
}

// byName returns all maps by their names in the objects.
func (m *Maps) byName() map[string]**ebpf.Map {
	return map[string]**ebpf.Map{
		object.SyscallsMapRing:       &m.Ring,
		object.SyscallsMapTargets:    &m.Targets,
		object.SyscallsMapRefused:    &m.Refused,
		object.SyscallsMapUndecided:  &m.Undecided,
		object.SyscallsMapThreads:    &m.Threads,
		object.SyscallsMapCalls:      &m.Calls,
		object.SyscallsMapUids:       &m.Uids,
		object.SyscallsMapPorts:      &m.Ports,
		object.SyscallsMapCgroups:    &m.Cgroups,
		object.SyscallsMapLost:       &m.Lost,
		object.SyscallsMapMaybe:      &m.Maybe,
		object.SyscallsMapReader:     &m.Reader,
		object.SyscallsMapGone:       &m.Gone,
		object.SyscallsMapSpread:     &m.Spread,
		object.PacketsMapOwners:      &m.Owners,
		object.PacketsMapLostPackets: &m.LostPackets,
		object.SyscallsMapLostEvents: &m.LostEvents,
		object.PacketsMapFlows:       &m.Flows,
		object.PacketsMapFlowPorts:   &m.FlowPorts,
		object.PacketsMapOldSocks:    &m.OldSocks,
		object.PacketsMapOwnedSocks:  &m.OwnedSocks,
		object.PacketsMapPeople:      &m.People,
		object.PacketsMapSoftirqs:    &m.Softirqs,
		object.TreeMapFunctions:      &m.Functions,
		object.TreeMapWalks:          &m.Walks,
		object.TreeMapNoWalk:         &m.NoWalk,
	}
}

// ownMaps are not shared: each object creates its own ones.
var ownMaps = []string{
	object.SyscallsMapTurns, object.SyscallsMapScratches, object.SyscallsMapAios, object.SyscallsMapBlank, object.SyscallsMapSaid,
	object.UringMapRequests, object.UringMapByData, object.IfacesMapWanted, object.IfacesMapFound, object.DeviceMapSeen, object.PathMapNeighbours, object.PacketsMapOtherListener, object.KernelMapQueued,
}

// shared returns the shared maps of an object that have been created. It returns an error for
// a map that is neither shared nor in ownMaps.
func (m *Maps) shared(spec *ebpf.CollectionSpec) (map[string]*ebpf.Map, error) {
	known, there := m.byName(), map[string]*ebpf.Map{}
	for name := range spec.Maps {
		at := known[name]
		switch {
		case at != nil && *at != nil:
			there[name] = *at
		case at == nil && !slices.Contains(ownMaps, name) && !ofSection(name):
			return nil, fmt.Errorf("map %s: it is neither shared nor of one object", name)
		}
	}
	return there, nil
}

// ofSection reports whether a map holds the variables of an object, such as .rodata and .bss.
func ofSection(name string) bool { return strings.HasPrefix(name, ".") }

// make creates the shared maps in specs that do not exist yet.
func (m *Maps) make(specs ...*ebpf.MapSpec) error {
	known := m.byName()
	for _, spec := range specs {
		at := known[spec.Name]
		if at == nil {
			return fmt.Errorf("map %s: it is not shared", spec.Name)
		}
		if *at != nil {
			continue
		}
		made, err := ebpf.NewMap(spec)
		if err != nil {
			return fmt.Errorf("map %s: %w", spec.Name, err)
		}
		*at = made
	}
	return nil
}

func (m *Maps) close() {
	for _, at := range m.byName() {
		if *at != nil {
			(*at).Close()
		}
	}
}

// size sets MaxEntries of the maps of an object, which must be the same in all objects.
func (c Config) size(spec *ebpf.CollectionSpec) error {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return err
	}
	threads := orDefault(c.Threads, DefaultThreads)
	if m := spec.Maps[object.SyscallsMapSaid]; m != nil && c.Payload == 0 {
		m.MaxEntries = 128 // it is not used
	}
	for name, entries := range map[string]uint32{
		object.SyscallsMapRing:      orDefault(c.RingBytes, DefaultRing),
		object.SyscallsMapThreads:   threads,
		object.SyscallsMapTargets:   threads,
		object.SyscallsMapScratches: uint32(cpus),
		object.SyscallsMapTurns:     uint32(cpus) * turns,
	} {
		if m := spec.Maps[name]; m != nil {
			m.MaxEntries = entries
		}
	}
	return nil
}

func orDefault(n, otherwise uint32) uint32 {
	if n == 0 {
		return otherwise
	}
	return n
}
