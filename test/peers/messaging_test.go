//go:build linux

package peers

import (
	"fmt"
	"strings"
)

func init() {
	oracles["mqtt"] = &oracle{name: []string{"mqtt"}, fields: "type, topic, QoS, packet id, client id, return code", truth: each("mqtt", mqttTruth), ours: mqttOurs}
	oracles["amqp"] = &oracle{name: []string{"amqp"}, fields: "method, channel, queue, exchange, routing key", truth: each("amqp", amqpTruth), ours: amqpOurs}
	oracles["kafka"] = &oracle{name: []string{"kafka"}, fields: "API, version, correlation id, client id; of answers the correlation id", truth: each("kafka", kafkaTruth), ours: kafkaOurs}
	oracles["xmpp"] = &oracle{name: []string{"xmpp"}, fields: "stanza, type, id", truth: each("xmpp", xmppTruth), ours: xmppOurs}
	oracles["websocket"] = &oracle{name: []string{"websocket"}, fields: "type, size", truth: each("websocket", websocketTruth), ours: websocketOurs}
}

var mqttTypes = []string{"", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH"}

func mqttTruth(_ *frame, n *node, out func(kind, text string)) {
	what := mqttTypes[n.num("mqtt.msgtype")]
	kind := "answer"
	code := ""
	switch what {
	case "CONNECT", "SUBSCRIBE", "UNSUBSCRIBE", "PINGREQ":
		kind = "request"
	case "PUBLISH":
		kind = "request"
		if n.get("mqtt.qos") == "0" {
			kind = "notice"
		}
	case "PUBREC", "PUBREL", "DISCONNECT":
		kind = "notice"
	case "CONNACK":
		code = n.get("mqtt.conack.val") + n.get("mqtt.connack.reason_code")
	}
	out(kind, fmt.Sprintf("%s id=%s topic=%s qos=%s client=%s code=%s", what, n.get("mqtt.msgid"), n.get("mqtt.topic"), n.get("mqtt.qos"), n.get("mqtt.clientid"), code))
}

func mqttOurs(m *message, _ []*message) (string, bool) {
	what, code := m.get("messaging.operation.name"), ""
	if what == "CONNACK" {
		code = m.get("mqtt.reason_code")
	}
	return fmt.Sprintf("%s id=%s topic=%s qos=%s client=%s code=%s", what, m.get("mqtt.packet_id"), m.get("messaging.destination.name"), m.get("mqtt.qos"), m.get("messaging.client.id"), code), true
}

var amqpSync = map[string]bool{"connection.start": true, "connection.tune": true, "connection.open": true, "connection.close": true, "channel.open": true, "channel.close": true, "queue.declare": true, "queue.delete": true,
	"queue.bind": true, "queue.purge": true, "basic.get": true, "basic.consume": true, "basic.qos": true, "exchange.declare": true}

func amqpTruth(_ *frame, n *node, out func(kind, text string)) {
	for _, m := range n.all("amqp.method.class") {
		// "Class: Queue (50)"; the name of the method's field depends on the class
		class := strings.ToLower(word(m.Showname))
		method := ""
		for _, k := range n.all("amqp.method.method") {
			method = strings.ToLower(strings.TrimSuffix(word(k.Showname), ","))
		}
		what := class + "." + method
		kind := "notice"
		switch {
		case strings.HasSuffix(method, "-ok"), method == "get-empty":
			kind = "answer"
		case amqpSync[what]:
			kind = "request"
		}
		queue, exchange, key := "", "", ""
		switch what {
		case "queue.declare", "queue.delete", "queue.declare-ok", "basic.get":
			queue = n.get("amqp.method.arguments.queue")
		case "basic.publish", "basic.deliver", "basic.get-ok":
			exchange, key = n.get("amqp.method.arguments.exchange"), n.get("amqp.method.arguments.routing_key")
		}
		out(kind, fmt.Sprintf("%s channel=%s queue=%s exchange=%s key=%s", what, n.get("amqp.channel"), queue, exchange, key))
	}
}

func amqpOurs(m *message, _ []*message) (string, bool) {
	what := m.get("messaging.operation.name")
	if strings.HasPrefix(what, "AMQP ") {
		return "", false // the first bytes of a connection: tshark does not show them
	}
	queue, exchange, key := "", "", ""
	switch what {
	case "queue.declare", "queue.delete", "queue.declare-ok", "basic.get":
		queue = m.get("messaging.destination.name")
	case "basic.publish", "basic.deliver", "basic.get-ok":
		exchange, key = m.get("amqp.exchange"), m.get("messaging.rabbitmq.destination.routing_key")
	}
	return fmt.Sprintf("%s channel=%s queue=%s exchange=%s key=%s", what, m.get("amqp.channel"), queue, exchange, key), true
}

// tshark's names of what the protocol's own list calls otherwise.
var kafkaNames = map[string]string{"Offsets": "ListOffsets"}

func kafkaTruth(f *frame, n *node, out func(kind, text string)) {
	id := n.get("kafka.correlation_id")
	if !f.client {
		out("answer", id)
		return
	}
	name := ""
	if l := n.all("kafka.api_key"); len(l) > 0 {
		name = word(l[0].Showname)
	}
	if other := kafkaNames[name]; other != "" {
		name = other
	}
	out("request", fmt.Sprintf("%s v%s id=%s client=%s", name, n.get("kafka.api_version"), id, n.get("kafka.client_id")))
}

func kafkaOurs(m *message, _ []*message) (string, bool) {
	id := m.get("kafka.correlation_id")
	if m.kind == "answer" {
		return id, true
	}
	return fmt.Sprintf("%s v%s id=%s client=%s", m.get("messaging.operation.name"), m.get("kafka.api.version"), id, m.get("messaging.client.id")), true
}

func xmppTruth(f *frame, n *node, out func(kind, text string)) {
	side := map[bool]string{true: "request", false: "answer"}
	for i := range n.Kids {
		k := &n.Kids[i]
		text := func(stanza string) string {
			return fmt.Sprintf("%s type=%s id=%s", stanza, own(k, "xmpp.type"), own(k, "xmpp.id"))
		}
		switch k.Name {
		case "xmpp.stream":
			out(side[f.client], "stream type= id=")
		case "xmpp.auth":
			out("request", "auth type= id=")
		case "xmpp.iq":
			kind := "request"
			if t := own(k, "xmpp.type"); t == "result" || t == "error" {
				kind = "answer"
			}
			out(kind, text("iq"))
		case "xmpp.message":
			out("notice", text("message"))
		case "xmpp.presence":
			out("notice", text("presence"))
		case "xmpp.stream_end":
			out("notice", "stream ends")
		}
	}
	if n.has("xmpp.success") {
		out("answer", "success type= id=")
	}
	for _, u := range n.values("xmpp.unknown") {
		if u == "features" {
			out("notice", "features type= id=")
		}
	}
}

// own returns a field of a node itself, not of what is inside.
func own(n *node, name string) string {
	for i := range n.Kids {
		if n.Kids[i].Name == name {
			return n.Kids[i].Show
		}
	}
	return ""
}

func xmppOurs(m *message, _ []*message) (string, bool) {
	if m.text == "stream ends" {
		return m.text, true
	}
	return fmt.Sprintf("%s type=%s id=%s", m.get("xmpp.stanza"), m.get("xmpp.type"), m.get("xmpp.id")), true
}

var websocketTypes = map[string]string{"1": "text", "2": "binary", "8": "close", "9": "ping", "10": "pong"}

func websocketTruth(_ *frame, n *node, out func(kind, text string)) {
	what := websocketTypes[n.get("websocket.opcode")]
	size := ""
	if what != "close" {
		size = n.get("websocket.payload_length")
		if l := n.all("websocket.payload"); len(l) > 0 {
			size = fmt.Sprint(l[0].Size)
		}
	}
	out("notice", what+" "+size)
}

func websocketOurs(m *message, _ []*message) (string, bool) {
	return first(m.text) + " " + m.get("websocket.message.size"), true
}
