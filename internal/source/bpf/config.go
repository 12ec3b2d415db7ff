//go:build linux

package bpf

import "github.com/pidwire/pidwire/internal/source/bpf/load"

// Config says what the kernel side does. It is fixed at load.
type Config = load.Config

const (
	// MaxStrLen bounds what is copied of one buffer.
	MaxStrLen = load.MaxStrLen
	// MaxSnaplen bounds what is copied of one packet.
	MaxSnaplen = load.MaxSnaplen
	// DefaultRing is the size of the ring buffer, in bytes.
	DefaultRing = load.DefaultRing
)

// What can tell of the functions of the kernel (load.EngineProbes and so on).
const (
	EngineProbes = load.EngineProbes
	EngineGraph  = load.EngineGraph
	EngineStacks = load.EngineStacks
)

// Engines are all of them, the one that tells most first.
var Engines = load.Engines

// Errors of New.
var (
	// ErrPackets says that packets cannot be captured here, and why.
	ErrPackets = load.ErrPackets
	// ErrNamespace says that pids cannot be translated into the host's, and why.
	ErrNamespace = load.ErrNamespace
	// ErrEngine says that the engine that was asked for cannot be had.
	ErrEngine = load.ErrEngine
)

// Release returns the kernel's release, as uname -r.
func Release() string { return load.Release() }

// Function is a function of the running kernel that can be asked for.
type Function = load.Function

// Functions lists what patterns stand for; see load.Functions.
func Functions(patterns []string) (list []Function, note string, err error) {
	return load.Functions(patterns)
}
