// Package list has the protocols that pidwire reads.
package list

import (
	"slices"

	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/adb"
	"github.com/pidwire/pidwire/internal/proto/amqp"
	"github.com/pidwire/pidwire/internal/proto/dbus"
	"github.com/pidwire/pidwire/internal/proto/dhcp"
	"github.com/pidwire/pidwire/internal/proto/dns"
	"github.com/pidwire/pidwire/internal/proto/dtls"
	"github.com/pidwire/pidwire/internal/proto/ftp"
	"github.com/pidwire/pidwire/internal/proto/http1"
	"github.com/pidwire/pidwire/internal/proto/http2"
	"github.com/pidwire/pidwire/internal/proto/kafka"
	"github.com/pidwire/pidwire/internal/proto/ldap"
	"github.com/pidwire/pidwire/internal/proto/memcached"
	"github.com/pidwire/pidwire/internal/proto/mongodb"
	"github.com/pidwire/pidwire/internal/proto/mqtt"
	"github.com/pidwire/pidwire/internal/proto/mysql"
	"github.com/pidwire/pidwire/internal/proto/nscd"
	"github.com/pidwire/pidwire/internal/proto/ntp"
	"github.com/pidwire/pidwire/internal/proto/postgresql"
	"github.com/pidwire/pidwire/internal/proto/proxy"
	"github.com/pidwire/pidwire/internal/proto/quic"
	"github.com/pidwire/pidwire/internal/proto/redis"
	"github.com/pidwire/pidwire/internal/proto/smtp"
	"github.com/pidwire/pidwire/internal/proto/socks"
	"github.com/pidwire/pidwire/internal/proto/ssh"
	"github.com/pidwire/pidwire/internal/proto/statsd"
	"github.com/pidwire/pidwire/internal/proto/syslog"
	"github.com/pidwire/pidwire/internal/proto/tls"
	"github.com/pidwire/pidwire/internal/proto/varlink"
	"github.com/pidwire/pidwire/internal/proto/wayland"
	"github.com/pidwire/pidwire/internal/proto/websocket"
	"github.com/pidwire/pidwire/internal/proto/x11"
	"github.com/pidwire/pidwire/internal/proto/xmpp"
)

// All has the protocols in the order in which they are asked whether a connection is theirs.
var All = []*proto.Protocol{
	http1.Protocol,
	tls.Protocol,
	http2.Protocol,
	http2.GRPC,
	websocket.Protocol,
	quic.Protocol,
	dtls.Protocol,
	ssh.Protocol,
	socks.Protocol,
	proxy.Protocol,
	dns.Protocol,
	adb.Protocol,
	xmpp.Protocol,
	redis.Protocol,
	postgresql.Protocol,
	mysql.Protocol,
	memcached.Protocol,
	mongodb.Protocol,
	kafka.Protocol,
	mqtt.Protocol,
	amqp.Protocol,
	smtp.Protocol,
	ftp.Protocol,
	ldap.Protocol,
	ntp.Protocol,
	dhcp.Protocol,
	statsd.Protocol,
	syslog.Protocol,
	syslog.Journal,
	varlink.Protocol,
	dbus.Protocol,
	x11.Protocol,
	wayland.Protocol,
	nscd.Protocol,
}

func init() {
	http1.Upgrades["h2c"] = http2.Protocol
	http2.Plain = http1.Protocol
	http1.Upgrades["websocket"] = websocket.Protocol
}

// Names returns the names of all protocols, of what is none that is known, and of connections, in order.
func Names() (names []string) {
	for _, p := range All {
		names = append(names, p.Name)
	}
	names = append(names, proto.Unknown, proto.Connection)
	slices.Sort(names)
	return slices.Compact(names)
}
