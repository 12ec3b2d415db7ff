// Package httpkey has the fields that all versions of HTTP share.
package httpkey

import (
	"bytes"
	"strconv"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
)

// Fields of requests and answers.
var (
	Method   = &event.Key{Name: "http.request.method", Form: event.FormQuiet}
	Target   = &event.Key{Name: "http.request.target", Form: event.FormQuiet}
	Path     = &event.Key{Name: "url.path", Form: event.FormQuiet}
	Query    = &event.Key{Name: "url.query", Form: event.FormQuiet}
	Scheme   = &event.Key{Name: "url.scheme", Form: event.FormQuiet}
	Host     = &event.Key{Name: "http.request.host", Label: "host"}
	Address  = &event.Key{Name: "server.address", Form: event.FormQuiet, Names: event.FromHost}
	Port     = &event.Key{Name: "server.port", Form: event.FormCount}
	Status   = &event.Key{Name: "http.response.status_code", Form: event.FormCount}
	Type     = &event.Key{Name: "http.content_type"}
	Encoding = &event.Key{Name: "http.content_encoding"}
	Body     = &event.Key{Name: "http.response.body.size", Form: event.FormBytes}
	ReqBody  = &event.Key{Name: "http.request.body.size", Form: event.FormBytes}
	Location = &event.Key{Name: "http.response.location", Label: "location"}
	Version  = &event.Key{Name: "network.protocol.version", Form: event.FormQuiet}
	Agent    = &event.Key{Name: "user_agent.original", Form: event.FormQuiet}
	Server   = &event.Key{Name: "http.response.server", Form: event.FormQuiet}
	Header   = &event.Key{Name: "http.credentials", Form: event.FormQuiet, Many: true}
)

// AddHost adds the fields of a host with or without a port.
func AddHost(list []event.Field, b []byte) []event.Field {
	i := bytes.LastIndexByte(b, ':')
	if i < 0 || bytes.IndexByte(b[i:], ']') >= 0 {
		i = len(b)
	}
	list = append(list, event.Field{Key: Host, Text: proto.Text(b)}, event.Field{Key: Address, Text: proto.Text(bytes.Trim(b[:i], "[]"))})
	if i == len(b) {
		return list
	}
	if n, err := strconv.ParseUint(proto.Text(b[i+1:]), 10, 16); err == nil {
		list = append(list, event.Field{Key: Port, Num: int64(n)})
	}
	return list
}
