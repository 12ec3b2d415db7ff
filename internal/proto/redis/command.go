package redis

import (
	"strings"

	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/mask"
)

// maxName bounds the name of a command.
const maxName = 32

// spec describes a command.
type spec struct {
	name  string
	keys  keysAt
	does  does
	below bool // its second word belongs to the name: CONFIG GET
}

// keysAt says where the keys of a command are.
type keysAt uint8

const (
	first     keysAt = iota // the first argument
	nowhere                 // it has none
	all                     // all arguments
	others                  // every second argument: MSET
	second                  // the second argument: BITOP
	third                   // the third argument: EVAL
	byAccount               // it has secrets
)

// does is what a command does to those that follow.
type does uint8

const (
	ordinary does = iota
	subscribes
	monitors
	replicates
	replyOff
	replySkip
	replyOn
)

// specs are the commands by name, in upper case.
var specs = func() map[string]*spec {
	m := map[string]*spec{}
	add := func(names string, s spec) {
		for _, n := range strings.Fields(names) {
			s.name = n
			one := s
			m[n] = &one
		}
	}
	add(`APPEND BITCOUNT BITFIELD BITFIELD_RO BITPOS BLMOVE BLPOP BRPOP BRPOPLPUSH BZPOPMAX BZPOPMIN COPY DECR DECRBY DUMP EXPIRE EXPIREAT
		EXPIRETIME GEOADD GEODIST GEOHASH GEOPOS GEORADIUS GEORADIUSBYMEMBER GEOSEARCH GEOSEARCHSTORE GET GETBIT GETDEL GETEX GETRANGE GETSET HDEL HEXISTS
		HEXPIRE HGET HGETALL HGETDEL HGETEX HINCRBY HINCRBYFLOAT HKEYS HLEN HMGET HMSET HPERSIST HPEXPIRE HRANDFIELD HSCAN HSET HSETEX HSETNX HSTRLEN HTTL
		HVALS INCR INCRBY INCRBYFLOAT LCS LINDEX LINSERT LLEN LMOVE LPOP LPOS LPUSH LPUSHX LRANGE LREM LSET LTRIM MOVE PERSIST PEXPIRE PEXPIREAT
		PEXPIRETIME PFADD PSETEX PTTL PUBLISH RENAME RENAMENX RESTORE RPOP RPOPLPUSH RPUSH RPUSHX SADD SCARD SET SETBIT SETEX SETNX SETRANGE SISMEMBER
		SMEMBERS SMISMEMBER SMOVE SORT SORT_RO SPOP SPUBLISH SRANDMEMBER SREM SSCAN STRLEN SUBSTR TTL TYPE VADD VSIM XACK XADD XAUTOCLAIM XCLAIM XDEL XLEN
		XPENDING XRANGE XREVRANGE XSETID XTRIM ZADD ZCARD ZCOUNT ZINCRBY ZLEXCOUNT ZMSCORE ZPOPMAX ZPOPMIN ZRANDMEMBER ZRANGE ZRANGEBYLEX ZRANGEBYSCORE
		ZRANGESTORE ZRANK ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN ZSCORE
		ZINTERSTORE ZUNIONSTORE ZDIFFSTORE SELECT KEYS INFO`, spec{})
	add(`DEL EXISTS MGET UNLINK TOUCH WATCH SINTER SUNION SDIFF SINTERSTORE SUNIONSTORE SDIFFSTORE PFCOUNT PFMERGE`, spec{keys: all})
	add(`SUBSCRIBE PSUBSCRIBE SSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE`, spec{keys: all, does: subscribes})
	add(`MSET MSETNX`, spec{keys: others})
	add(`BITOP BLMPOP LMPOP SINTERCARD ZDIFF ZINTER ZINTERCARD ZMPOP ZUNION`, spec{keys: second})
	add(`BZMPOP EVAL EVALSHA EVAL_RO EVALSHA_RO FCALL FCALL_RO`, spec{keys: third})
	add(`ASKING BGREWRITEAOF BGSAVE DBSIZE DISCARD ECHO EXEC FAILOVER FLUSHALL FLUSHDB LASTSAVE LOLWUT MIGRATE MULTI PING QUIT RANDOMKEY READONLY
		READWRITE REPLICAOF RESET ROLE SAVE SCAN SHUTDOWN SLAVEOF SWAPDB TIME UNWATCH WAIT WAITAOF XREAD XREADGROUP REPLCONF`, spec{keys: nowhere})
	add(`MONITOR`, spec{keys: nowhere, does: monitors})
	add(`PSYNC SYNC`, spec{keys: nowhere, does: replicates})
	add(`AUTH HELLO`, spec{keys: byAccount})
	add(`ACL CLIENT CLUSTER COMMAND CONFIG DEBUG FUNCTION LATENCY MEMORY MODULE OBJECT PUBSUB SCRIPT SENTINEL SLOWLOG XGROUP XINFO`, spec{below: true})
	return m
}()

// lookup returns the command with a name in any case; nil if it is not known.
func lookup(name []byte) *spec {
	if len(name) > maxName {
		return nil
	}
	var upper [maxName]byte
	for i, ch := range name {
		if ch >= 'a' && ch <= 'z' {
			ch -= 0x20
		}
		upper[i] = ch
	}
	return specs[string(upper[:len(name)])]
}

// is reports whether a word is one in upper case, in any case.
func is(b []byte, word string) bool { return strings.EqualFold(proto.Text(b), word) }

// write writes the text of a command, of whose n words args are known, to p.text, and returns what it is.
func (p *parser) write(c *proto.Conv, args [][]byte, n int64) spec {
	p.text = p.text[:0]
	if p.text == nil {
		p.text = make([]byte, 0, 2*maxArg)
	}
	known := lookup(args[0])
	if known == nil {
		p.upper(args[0])
		s := spec{name: string(p.text)}
		p.keys(args[1:], 1, 1)
		return s
	}
	s := *known
	p.text = append(p.text, s.name...)
	rest := args[1:]
	if s.below {
		if len(rest) == 0 {
			return s
		}
		p.text = append(p.text, ' ')
		p.upper(rest[0])
		s.name = subcommand(proto.Text(p.text))
		p.below(c, &s, args)
		return s
	}
	switch s.keys {
	case first:
		p.keys(rest, 1, 1)
	case all:
		p.keys(rest, len(rest), 1)
		if n > int64(len(args)) && len(args) == maxArgs {
			p.text = append(p.text, " ..."...)
		}
	case others:
		p.keys(rest, len(rest), 2)
		if n > int64(len(args)) && len(args) == maxArgs {
			p.text = append(p.text, " ..."...)
		}
	case second:
		p.keys(rest[min(1, len(rest)):], 1, 1)
	case third:
		p.keys(rest[min(2, len(rest)):], 1, 1)
	case byAccount:
		p.account(c, &s, rest)
	}
	switch s.does {
	case monitors:
		p.monitor = true
	case subscribes:
		p.subscribed = true
	}
	if s.name == "SELECT" && len(rest) == 1 && len(rest[0]) < 8 {
		p.db = string(rest[0])
	}
	return s
}

// subcommands are names of two words, so that they need not be made again.
var subcommands = func() map[string]string {
	m := map[string]string{}
	for _, n := range []string{
		"CLIENT SETINFO", "CLIENT SETNAME", "CLIENT ID", "CLIENT LIST", "CLIENT INFO", "CLIENT TRACKING", "CLIENT REPLY", "CONFIG GET", "CONFIG SET", "OBJECT ENCODING",
		"CLUSTER SLOTS", "CLUSTER SHARDS", "CLUSTER NODES", "CLUSTER INFO", "SCRIPT LOAD", "SCRIPT EXISTS", "COMMAND DOCS", "COMMAND COUNT", "XGROUP CREATE", "XINFO STREAM",
		"MEMORY USAGE", "SLOWLOG GET", "ACL SETUSER", "ACL WHOAMI", "PUBSUB CHANNELS", "SENTINEL MASTERS", "LATENCY LATEST",
	} {
		m[n] = n
	}
	return m
}()

// subcommand returns a name of two words that does not alias text.
func subcommand(text string) string {
	if n, ok := subcommands[text]; ok {
		return n
	}
	return strings.Clone(text)
}

// below writes the arguments of a command that has a name of two words.
func (p *parser) below(c *proto.Conv, s *spec, args [][]byte) {
	rest := args[2:]
	switch s.name {
	case "CONFIG SET":
		for i, a := range rest {
			if i%2 == 0 {
				p.keys(rest[i:], 1, 1)
				continue
			}
			p.text = append(p.text, ' ')
			if name := strings.ToLower(proto.Text(rest[i-1])); mask.Name(name) || strings.Contains(name, "pass") || strings.HasSuffix(name, "auth") {
				p.text = append(p.text, c.Secret(proto.Text(a))...)
			} else {
				p.show(a)
			}
		}
	case "ACL SETUSER":
		p.keys(rest, 1, 1)
		for _, a := range rest[min(1, len(rest)):] {
			p.text = append(append(p.text, ' '), c.Secret(proto.Text(a))...)
			if !c.Secrets() {
				break
			}
		}
	case "CLIENT REPLY":
		p.keys(rest, 1, 1)
		if len(rest) > 0 {
			switch {
			case is(rest[0], "OFF"):
				s.does = replyOff
			case is(rest[0], "SKIP"):
				s.does = replySkip
			case is(rest[0], "ON"):
				s.does = replyOn
			}
		}
	case "SENTINEL SET", "SENTINEL CONFIG", "ACL GETUSER", "ACL DELUSER", "XGROUP CREATE", "SCRIPT EXISTS", "CONFIG GET", "CLIENT SETNAME", "CLIENT KILL":
		p.keys(rest, 1, 1)
	case "SCRIPT LOAD", "FUNCTION LOAD", "ACL DRYRUN", "FUNCTION RESTORE":
	default:
		p.keys(rest, 1, 1)
	}
}

// account writes the arguments of AUTH and HELLO.
func (p *parser) account(c *proto.Conv, s *spec, rest [][]byte) {
	if s.name == "AUTH" {
		if len(rest) > 1 {
			p.keys(rest, 1, 1)
			rest = rest[1:]
		}
		if len(rest) > 0 {
			p.text = append(append(p.text, ' '), c.Secret(proto.Text(rest[0]))...)
		}
		return
	}
	for i := 0; i < len(rest); i++ {
		p.keys(rest[i:], 1, 1)
		if is(rest[i], "AUTH") && i+2 < len(rest) {
			p.keys(rest[i+1:], 1, 1)
			p.text = append(append(p.text, ' '), c.Secret(proto.Text(rest[i+2]))...)
			i += 2
		}
	}
}

// upper writes a word in upper case.
func (p *parser) upper(b []byte) {
	for _, ch := range b[:min(len(b), maxName)] {
		if ch >= 'a' && ch <= 'z' {
			ch -= 0x20
		}
		p.text = append(p.text, ch)
	}
}

// keys writes up to n arguments: every step-th one.
func (p *parser) keys(args [][]byte, n, step int) {
	for i := 0; i < len(args) && i < n && len(p.text) < maxShown; i += step {
		p.text = append(p.text, ' ')
		p.show(args[i])
	}
}

// show writes a key. Parts of keys that look like tokens are secret.
func (p *parser) show(b []byte) {
	b = b[:min(len(b), maxArg)]
	const short = 32 // Tokens are not shorter.
	if len(b) < short {
		p.text = append(p.text, b...)
		return
	}
	for i, part := range strings.Split(proto.Text(b), ":") {
		if i > 0 {
			p.text = append(p.text, ':')
		}
		if mask.Token(part) {
			part = mask.Stars
		}
		p.text = append(p.text, part...)
	}
}
