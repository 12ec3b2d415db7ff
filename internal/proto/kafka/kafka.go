// Package kafka reads the protocol of Apache Kafka (https://kafka.apache.org/protocol.html).
package kafka

import (
	"encoding/binary"
	"strconv"
	"strings"
	"unsafe"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/bin"
	"github.com/pidwire/pidwire/internal/proto/keys"
	"github.com/pidwire/pidwire/internal/proto/tail"
)

// Protocol is that of Kafka.
var Protocol = &proto.Protocol{
	Name: "kafka", Title: "Kafka",
	Ports:  []uint16{9092, 9093, 9094, 19092, 29092},
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys: []*event.Key{
		keys.MessagingSystem, keys.MessagingOperation, keys.MessagingDestination, keys.MessagingClient, keyVersion, keyCorrelation, keyTopics, keyError,
	},
}

var (
	keyVersion     = &event.Key{Name: "kafka.api.version", Form: event.FormCount}
	keyCorrelation = &event.Key{Name: "kafka.correlation_id", Form: event.FormCount}
	keyTopics      = &event.Key{Name: "kafka.topics", Label: "topics", Form: event.FormInt}
	keyError       = &event.Key{Name: "kafka.error_code", Form: event.FormCount}
)

// Numbers of requests.
const (
	produce         = 0
	fetch           = 1
	metadata        = 3
	findCoordinator = 10
	saslHandshake   = 17
	apiVersions     = 18
)

// apis are the names of requests by number.
var apis = [...]string{
	"Produce", "Fetch", "ListOffsets", "Metadata", "LeaderAndIsr", "StopReplica", "UpdateMetadata", "ControlledShutdown", "OffsetCommit", "OffsetFetch", "FindCoordinator",
	"JoinGroup", "Heartbeat", "LeaveGroup", "SyncGroup", "DescribeGroups", "ListGroups", "SaslHandshake", "ApiVersions", "CreateTopics", "DeleteTopics", "DeleteRecords",
	"InitProducerId", "OffsetForLeaderEpoch", "AddPartitionsToTxn", "AddOffsetsToTxn", "EndTxn", "WriteTxnMarkers", "TxnOffsetCommit", "DescribeAcls", "CreateAcls", "DeleteAcls",
	"DescribeConfigs", "AlterConfigs", "AlterReplicaLogDirs", "DescribeLogDirs", "SaslAuthenticate", "CreatePartitions", "CreateDelegationToken", "RenewDelegationToken",
	"ExpireDelegationToken", "DescribeDelegationToken", "DeleteGroups", "ElectLeaders", "IncrementalAlterConfigs", "AlterPartitionReassignments", "ListPartitionReassignments",
	"OffsetDelete", "DescribeClientQuotas", "AlterClientQuotas", "DescribeUserScramCredentials", "AlterUserScramCredentials", "Vote", "BeginQuorumEpoch", "EndQuorumEpoch",
	"DescribeQuorum", "AlterPartition", "UpdateFeatures", "Envelope", "FetchSnapshot", "DescribeCluster", "DescribeProducers", "BrokerRegistration", "BrokerHeartbeat",
	"UnregisterBroker", "DescribeTransactions", "ListTransactions", "AllocateProducerIds", "ConsumerGroupHeartbeat", "ConsumerGroupDescribe", "ControllerRegistration",
	"GetTelemetrySubscriptions", "PushTelemetry", "AssignReplicasToDirs", "ListConfigResources", "DescribeTopicPartitions", "ShareGroupHeartbeat", "ShareGroupDescribe", "ShareFetch",
	"ShareAcknowledge", "AddRaftVoter", "RemoveRaftVoter", "UpdateRaftVoter",
}

// leads says where the answers to some requests begin with their error: from which version on there is a time before it, and
// from which version on the header has tags.
var leads = map[int]struct{ throttled, flexible int }{
	fetch: {7, 12}, findCoordinator: {1, 3}, 11: {2, 6}, 12: {1, 4}, 13: {1, 4}, 14: {1, 4}, saslHandshake: {99, 99}, apiVersions: {99, 99}, 22: {0, 2}, 36: {99, 2},
}

// errorNames are the results that are frequent.
var errorNames = map[int16]string{
	-1: "UNKNOWN_SERVER_ERROR", 1: "OFFSET_OUT_OF_RANGE", 2: "CORRUPT_MESSAGE", 3: "UNKNOWN_TOPIC_OR_PARTITION", 5: "LEADER_NOT_AVAILABLE", 6: "NOT_LEADER_OR_FOLLOWER", 7: "REQUEST_TIMED_OUT",
	8: "BROKER_NOT_AVAILABLE", 10: "MESSAGE_TOO_LARGE", 14: "COORDINATOR_LOAD_IN_PROGRESS", 15: "COORDINATOR_NOT_AVAILABLE", 16: "NOT_COORDINATOR", 17: "INVALID_TOPIC_EXCEPTION",
	19: "NOT_ENOUGH_REPLICAS", 20: "NOT_ENOUGH_REPLICAS_AFTER_APPEND", 21: "INVALID_REQUIRED_ACKS", 22: "ILLEGAL_GENERATION", 25: "UNKNOWN_MEMBER_ID", 27: "REBALANCE_IN_PROGRESS",
	29: "TOPIC_AUTHORIZATION_FAILED", 30: "GROUP_AUTHORIZATION_FAILED", 31: "CLUSTER_AUTHORIZATION_FAILED", 33: "UNSUPPORTED_SASL_MECHANISM", 34: "ILLEGAL_SASL_STATE",
	35: "UNSUPPORTED_VERSION", 36: "TOPIC_ALREADY_EXISTS", 45: "OUT_OF_ORDER_SEQUENCE_NUMBER", 47: "INVALID_PRODUCER_EPOCH", 58: "SASL_AUTHENTICATION_FAILED", 70: "FETCH_SESSION_ID_NOT_FOUND",
	71: "INVALID_FETCH_SESSION_EPOCH", 74: "FENCED_LEADER_EPOCH", 79: "MEMBER_ID_REQUIRED", 89: "THROTTLING_QUOTA_EXCEEDED",
}

const (
	maxSize = 100 << 20
	// maxRead is how much of a message is read; the rest passes.
	maxRead    = 1 << 10
	maxVersion = 20
	maxClient  = 249
	maxTopic   = 249
)

// head is the header of a request.
type head struct {
	size        int
	api         int
	version     int
	correlation uint32
	client      []byte
}

// readHead reads the header of a request with its size, and says whether it can be one.
func readHead(r *bin.Reader) (h head, v proto.Verdict) {
	h.size = int(int32(r.U32()))
	h.api, h.version, h.correlation = int(r.U16()), int(r.U16()), r.U32()
	n := int(int16(r.U16()))
	if r.Short {
		return h, proto.Wait
	}
	if h.size < 10 || h.size > maxSize || h.api >= len(apis) || h.version > maxVersion || n < -1 || n > maxClient || n > h.size-10 {
		return h, proto.No
	}
	if n <= 0 {
		return h, proto.Maybe
	}
	h.client = r.Bytes(n)
	if r.Short {
		return h, proto.Wait
	}
	for _, c := range h.client {
		if c <= ' ' || c > '~' {
			return h, proto.No
		}
	}
	return h, proto.Sure
}

// detect waits for the first message only until the other end answers.
func detect(h *proto.Hint) proto.Verdict {
	v := look(h)
	if v == proto.Wait && h.Turned() {
		return proto.No
	}
	return v
}

func look(h *proto.Hint) proto.Verdict {
	b := h.Begin()
	if !h.Stream || len(b) == 0 || b[0] > maxSize>>24 {
		return proto.No
	}
	if len(b) >= 4 {
		if n := binary.BigEndian.Uint32(b); n < 10 || n > maxSize {
			return proto.No
		}
	}
	if len(b) >= 6 && int(binary.BigEndian.Uint16(b[4:])) >= len(apis) || len(b) >= 8 && binary.BigEndian.Uint16(b[6:]) > maxVersion {
		return proto.No
	}
	_, v := readHead(bin.Of(b))
	return v
}

type parser struct {
	proto.Base
	client proto.Dir
	known  bool
	raw    bool // authentication follows in frames without a header: SaslHandshake version 0
	asked  proto.Numbered
	tail   tail.Tail
}

func (p *parser) Held() int { return int(unsafe.Sizeof(*p)) + p.asked.Held() + p.tail.Held() }

func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	if len(b) < 4 {
		return 0
	}
	if !p.known {
		p.known, p.client = true, d
	}
	n := int(int32(binary.BigEndian.Uint32(b)))
	if n < 4 && !p.raw || n < 0 || n > maxSize {
		c.Fail("not a message of Kafka")
		return 0
	}
	read := min(4+n, maxRead)
	if len(b) < read {
		return 0
	}
	rest := int64(4 + n - read)
	if d != p.client {
		p.answer(c, d, b[:read], n, rest)
		return read
	}
	if rest > 0 {
		c.Skip(d, rest)
	}
	r := bin.Of(b[:read])
	h, v := readHead(r)
	switch {
	case v == proto.Sure || v == proto.Maybe:
		p.request(c, d, &h, r)
	case !p.raw:
		c.Fail("not a message of Kafka")
	}
	return read
}

func (p *parser) request(c *proto.Conv, d proto.Dir, h *head, r *bin.Reader) {
	p.raw = false
	name := apis[h.api]
	m := c.Message(event.MessageRequest, d)
	m.Bytes, m.Text, m.Group = int64(4+h.size), name, name
	m.Fields = append(c.Fields(7), event.Field{Key: keys.MessagingSystem, Text: "kafka"}, event.Field{Key: keys.MessagingOperation, Text: name},
		event.Field{Key: keyVersion, Num: int64(h.version)}, event.Field{Key: keyCorrelation, Num: int64(h.correlation)})
	if len(h.client) > 0 {
		m.Fields = append(m.Fields, event.Field{Key: keys.MessagingClient, Text: proto.Text(h.client)})
	}
	silent := false
	switch h.api {
	case produce, fetch, metadata:
		var topic []byte
		count := 0
		topic, count, silent = topics(h, r)
		if len(topic) > 0 {
			m.Text = name + " " + proto.Text(topic)
			m.Group = m.Text
			m.Fields = append(m.Fields, event.Field{Key: keys.MessagingDestination, Text: proto.Text(topic)})
		}
		if count > 1 {
			m.Fields = append(m.Fields, event.Field{Key: keyTopics, Num: int64(count)})
		}
	case saslHandshake:
		if mechanism := str(r, false); bin.Printable(mechanism) && len(mechanism) > 0 {
			m.Text = name + " " + proto.Text(mechanism)
		}
		p.raw = h.version == 0
	}
	x := c.Ask(m)
	x.Kind = h.api | h.version<<8
	if !silent {
		p.asked.Put(uint64(h.correlation), x)
	}
}

// str reads a string, which may be null; compact ones have their length in an uvarint.
func str(r *bin.Reader, compact bool) []byte {
	n := 0
	if compact {
		n = uvarint(r) - 1
	} else {
		n = int(int16(r.U16()))
	}
	if n <= 0 {
		return nil
	}
	return r.Bytes(n)
}

// count reads the length of an array.
func count(r *bin.Reader, compact bool) int {
	if compact {
		return uvarint(r) - 1
	}
	return int(int32(r.U32()))
}

func uvarint(r *bin.Reader) int {
	n := 0
	for shift := 0; shift < 35; shift += 7 {
		b := r.U8()
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
	r.Short = true
	return 0
}

// tags passes the fields that only newer versions know.
func tags(r *bin.Reader) {
	for n := uvarint(r); n > 0 && !r.Short; n-- {
		uvarint(r)
		r.Bytes(uvarint(r))
	}
}

// topics returns the first topic of a request and how many there are, and reports whether it has no answer.
func topics(h *head, r *bin.Reader) (topic []byte, n int, silent bool) {
	flexible := false
	id := false
	switch h.api {
	case produce:
		flexible = h.version >= 9
		id = h.version >= 13
		if flexible {
			tags(r)
		}
		if h.version >= 3 {
			str(r, flexible)
		}
		silent = r.U16() == 0 && !r.Short
		r.U32()
	case fetch:
		flexible = h.version >= 12
		id = h.version >= 13
		if flexible {
			tags(r)
		}
		skip := 4 + 4 + 4
		if h.version >= 15 {
			skip -= 4
		}
		if h.version >= 3 {
			skip += 4
		}
		if h.version >= 4 {
			skip++
		}
		if h.version >= 7 {
			skip += 8
		}
		r.Bytes(skip)
	case metadata:
		flexible = h.version >= 9
		if flexible {
			tags(r)
		}
	}
	n = count(r, flexible)
	if r.Short || n < 1 || n > 1<<20 || id {
		return nil, 0, silent
	}
	if h.api == metadata && h.version >= 10 {
		r.Bytes(16)
	}
	topic = str(r, flexible)
	if len(topic) > maxTopic || !bin.Printable(topic) {
		return nil, 0, silent
	}
	return topic, n, silent
}

// answer reads an answer.
func (p *parser) answer(c *proto.Conv, d proto.Dir, b []byte, n int, rest int64) {
	r := bin.Of(b)
	r.U32()
	id := r.U32()
	x := proto.Exchange{}
	if n >= 4 {
		x = p.asked.Take(uint64(id))
	}
	if !x.Known() && p.raw {
		if rest > 0 {
			c.Skip(d, rest)
		}
		return // It is about the authentication.
	}
	m := c.Message(event.MessageAnswer, d)
	m.Bytes, m.Text = int64(4+n), "OK"
	m.Fields = append(c.Fields(3), event.Field{Key: keys.MessagingSystem, Text: "kafka"}, event.Field{Key: keyCorrelation, Num: int64(id)})
	if !x.Known() {
		m.Text = "answer"
	} else if code, ok := result(x.Kind&0xff, x.Kind>>8, r); ok && code != 0 {
		m.Error = errorNames[code]
		if m.Error == "" {
			m.Error = strconv.Itoa(int(code))
		}
		m.Text = strings.ToLower(strings.ReplaceAll(m.Error, "_", " "))
		m.Fields = append(m.Fields, event.Field{Key: keyError, Num: int64(code)})
	}
	p.tail.Answer(c, d, m, x, rest)
}

// result returns the first error of an answer to a request, if the answer says where it is.
func result(api, version int, r *bin.Reader) (code int16, ok bool) {
	switch api {
	case produce:
		flexible := version >= 9
		if version >= 13 {
			return 0, false
		}
		if flexible {
			tags(r)
		}
		if count(r, flexible) < 1 {
			return 0, false
		}
		str(r, flexible)
		if count(r, flexible) < 1 {
			return 0, false
		}
		r.U32()
	case fetch:
		if version < 7 {
			return 0, false
		}
		fallthrough
	default:
		lead, known := leads[api]
		if !known || api == 36 && version > 2 {
			return 0, false
		}
		if version >= lead.flexible {
			tags(r)
		}
		if version >= lead.throttled {
			r.U32()
		}
	}
	if api == findCoordinator && version >= 4 {
		// From here on for several keys at once, each with its error.
		if count(r, true) < 1 {
			return 0, false
		}
		str(r, true)
		r.U32()
		str(r, true)
		r.U32()
	}
	code = int16(r.U16())
	return code, !r.Short
}

func (p *parser) Skipped(c *proto.Conv, d proto.Dir) {
	if d != p.client {
		p.tail.Skipped(c)
	}
}

func (p *parser) Ended(c *proto.Conv, d proto.Dir) {
	if d != p.client {
		p.tail.Ended(c)
	}
}
