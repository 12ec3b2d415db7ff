//go:build linux

package bpf

import "github.com/pidwire/pidwire/internal/source/bpf/load"

// Config configures the BPF programs. It cannot be changed after they are loaded.
type Config = load.Config

const (
	// MaxStrLen is the maximum number of bytes copied from one buffer.
	MaxStrLen = load.MaxStrLen
	// MaxPayload and DefaultPayload are limits of Config.Payload.
	MaxPayload     = load.MaxPayload
	DefaultPayload = load.DefaultPayload
	// MaxSnaplen is the maximum number of bytes copied from one packet.
	MaxSnaplen = load.MaxSnaplen
	// DefaultRing is the size of the ring buffer, in bytes.
	DefaultRing = load.DefaultRing
)

// The ways to trace kernel functions; see load.EngineProbes and the following.
const (
	EngineProbes = load.EngineProbes
	EngineGraph  = load.EngineGraph
	EngineStacks = load.EngineStacks
)

// Engines lists them, the most detailed one first.
var Engines = load.Engines

// Errors of New.
var (
	// ErrPackets means that packets cannot be captured on this machine.
	ErrPackets = load.ErrPackets
	// ErrNamespace means that pids cannot be translated to those of the host.
	ErrNamespace = load.ErrNamespace
	// ErrEngine means that the requested engine is not available.
	ErrEngine = load.ErrEngine
)

// Release returns the release of the kernel, as uname -r prints it.
func Release() string { return load.Release() }

// Function is a function of the running kernel that can be traced.
type Function = load.Function

// Functions lists the functions that patterns match; see load.Functions.
func Functions(patterns []string) (list []Function, note string, err error) {
	return load.Functions(patterns)
}
