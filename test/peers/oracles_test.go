//go:build linux

package peers

var oracles = map[string]*oracle{}
