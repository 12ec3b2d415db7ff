// Package list has the protocols that pidwire reads.
package list

import (
	"slices"

	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/adb"
	"github.com/pidwire/pidwire/internal/proto/dns"
	"github.com/pidwire/pidwire/internal/proto/http1"
	"github.com/pidwire/pidwire/internal/proto/xmpp"
)

// All has the protocols in the order in which they are asked whether a connection is theirs.
var All = []*proto.Protocol{
	http1.Protocol,
	dns.Protocol,
	adb.Protocol,
	xmpp.Protocol,
}

// Names returns the names of all protocols, and of what is none that is known, in order.
func Names() (names []string) {
	for _, p := range All {
		names = append(names, p.Name)
	}
	names = append(names, proto.Unknown)
	slices.Sort(names)
	return slices.Compact(names)
}
