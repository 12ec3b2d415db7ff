// Package mask finds secrets in what protocols carry: tokens in URLs, headers with credentials.
package mask

import "strings"

// Stars is shown in place of a secret.
const Stars = "***"

// headers have credentials: lower-case names.
var headers = map[string]bool{
	"authorization": true, "proxy-authorization": true, "www-authenticate": false, "cookie": true, "set-cookie": true, "cookie2": true, "set-cookie2": true,
	"x-api-key": true, "api-key": true, "apikey": true, "x-auth-token": true, "x-access-token": true, "x-auth-key": true, "x-csrf-token": true, "x-xsrf-token": true,
	"x-amz-security-token": true, "x-goog-api-key": true, "x-vault-token": true, "x-gitlab-token": true, "private-token": true, "job-token": true,
	"x-github-token": true, "x-hub-signature": true, "x-hub-signature-256": true, "x-consul-token": true, "x-subject-token": true, "x-session-token": true,
	"x-session-id": true, "x-shopify-access-token": true, "x-rundeck-auth-token": true, "x-jfrog-art-api": true, "dd-api-key": true, "dd-application-key": true,
	"ocp-apim-subscription-key": true, "x-functions-key": true, "authentication-info": true, "sec-websocket-key": false, "x-plex-token": true, "x-emby-token": true,
	"x-figma-token": true, "x-tailscale-key": true, "grpc-metadata-authorization": true, "cf-access-jwt-assertion": true, "cf-access-client-secret": true,
	"x-forwarded-access-token": true, "x-amz-credential": true, "x-client-secret": true, "x-token": true, "token": true, "x-secret": true, "secret": true,
}

// Header reports whether a header's value is a secret, by its name. Names that are not
// known are secret if they look like it.
func Header(name string) bool {
	var room [64]byte
	low := lower(room[:0], name)
	if secret, known := headers[string(low)]; known {
		return secret
	}
	return suspicious(low)
}

// lower appends a name in lower case.
func lower(b []byte, name string) []byte {
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		b = append(b, c)
	}
	return b
}

// words are parts of names of secrets.
var words = []string{
	"token", "secret", "passw", "passphrase", "pwd", "apikey", "api_key", "api-key", "credential", "signature", "session", "authorization", "jwt", "private_key",
	"privatekey", "access_key", "accesskey", "assertion", "otp",
}

// names are whole names of secrets.
var names = map[string]bool{
	"key": true, "sig": true, "auth": true, "code": true, "sid": true, "pass": true, "pw": true, "pin": true, "hmac": true, "state": false, "nonce": false, "ticket": true,
	"sessid": true, "phpsessid": true, "jsessionid": true, "sv": false, "saml": true, "samlresponse": true, "samlrequest": true, "bearer": true, "login_hint": false,
}

// Name reports whether a parameter's value is a secret, by its name.
func Name(name string) bool {
	var room [64]byte
	low := lower(room[:0], name)
	if secret, known := names[string(low)]; known {
		return secret
	}
	return suspicious(low)
}

// byFirst has the words by their first letter.
var byFirst = func() (list [256][]string) {
	for _, w := range words {
		list[w[0]] = append(list[w[0]], w)
	}
	return list
}()

// suspicious reports whether a name in lower case looks like that of a secret.
func suspicious(low []byte) bool {
	for i, c := range low {
		for _, w := range byFirst[c] {
			if len(low)-i >= len(w) && string(low[i:i+len(w)]) == w {
				return true
			}
		}
	}
	return false
}

// URL returns a URL, or the target of a request, without the secrets in it: the user's part of the
// authority, values of parameters of the query and the fragment, and parts of the path that look like tokens.
func URL(s string) string {
	if s == "" {
		return s
	}
	if !risky(s) {
		return s
	}
	var b strings.Builder
	rest := s
	if i := strings.Index(rest, "://"); i > 0 && i < 12 && !strings.ContainsAny(rest[:i], "/?#") {
		end := len(rest)
		if j := strings.IndexAny(rest[i+3:], "/?#"); j >= 0 {
			end = i + 3 + j
		}
		authority := rest[i+3 : end]
		b.WriteString(rest[:i+3])
		if at := strings.LastIndexByte(authority, '@'); at >= 0 {
			b.WriteString(Stars)
			authority = authority[at:]
		}
		b.WriteString(authority)
		rest = rest[end:]
	}
	path := rest
	if j := strings.IndexAny(rest, "?#"); j >= 0 {
		path, rest = rest[:j], rest[j:]
	} else {
		rest = ""
	}
	for i, part := range strings.Split(path, "/") {
		if i > 0 {
			b.WriteByte('/')
		}
		b.WriteString(segment(part))
	}
	for rest != "" {
		b.WriteByte(rest[0]) // ? # & ;
		rest = rest[1:]
		end := strings.IndexAny(rest, "?#&;")
		if end < 0 {
			end = len(rest)
		}
		pair := rest[:end]
		rest = rest[end:]
		name, value, has := strings.Cut(pair, "=")
		switch {
		case has && value != "" && Name(unescape(name)), !has && Token(pair), has && Token(value):
			if has {
				b.WriteString(name + "=")
			}
			b.WriteString(Stars)
		default:
			b.WriteString(pair)
		}
	}
	return b.String()
}

// risky reports whether a URL can have a secret; most have none.
func risky(s string) bool {
	run := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '?' || c == '#' || c == '@' || c == ';':
			return true
		case c == '/':
			run = 0
		default:
			if run++; run >= tokenLen {
				return true
			}
		}
	}
	return false
}

// segment masks a part of a path: matrix parameters, and tokens such as those of bots (bot123:AAE...).
func segment(s string) string {
	name, params, has := strings.Cut(s, ";")
	if Token(name) || strings.HasPrefix(name, "bot") && strings.ContainsRune(name, ':') {
		name = Stars
	}
	if !has {
		return name
	}
	list := strings.Split(params, ";")
	for i, p := range list {
		if key, value, ok := strings.Cut(p, "="); ok && value != "" && (Name(key) || Token(value)) {
			list[i] = key + "=" + Stars
		}
	}
	return name + ";" + strings.Join(list, ";")
}

const tokenLen = 32

// Token reports whether a text looks like a token made by chance: long, of letters, digits and few
// other characters, in which letters and digits alternate often. Hexadecimal digests are none: they are
// common as names of files.
func Token(s string) bool {
	if len(s) < tokenLen {
		return false
	}
	if strings.HasPrefix(s, "eyJ") { // the beginning of a JSON web token
		return true
	}
	changes, upper, lower, digit, last := 0, 0, 0, 0, 0
	for i := 0; i < len(s); i++ {
		class := 0
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			class = 1
			digit++
		case c >= 'a' && c <= 'z':
			class = 2
			lower++
		case c >= 'A' && c <= 'Z':
			class = 3
			upper++
		case c == '-' || c == '_' || c == '.' || c == '~' || c == '+' || c == '=' || c == '%' || c == ':':
			continue
		default:
			return false
		}
		if last != 0 && class != last {
			changes++
		}
		last = class
	}
	return upper >= 3 && lower >= 3 && digit >= 2 && changes >= len(s)/4
}

func unescape(s string) string {
	if !strings.ContainsRune(s, '%') {
		return s
	}
	var b []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := hex(s[i+1]), hex(s[i+2])
			if hi >= 0 && lo >= 0 {
				b = append(b, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// Group returns a path without its query in which parts that vary from request to request, such as numbers and
// ids, are *.
func Group(path string) string {
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		path = path[:i]
	}
	varies := false
	for i := 0; i < len(path) && !varies; i++ {
		varies = path[i] >= '0' && path[i] <= '9' || path[i] == '*'
	}
	if !varies && len(path) < 64 {
		return path
	}
	const most = 12
	b := make([]byte, 0, len(path)+3)
	for n := 0; ; n++ {
		part, rest, more := strings.Cut(path, "/")
		switch {
		case n == most:
			return string(append(b, "..."...))
		case variable(part):
			b = append(b, '*')
		default:
			b = append(b, part...)
		}
		if !more {
			return string(b)
		}
		b = append(b, '/')
		path = rest
	}
}

// variable reports whether a part of a path is a number or an id.
func variable(p string) bool {
	if len(p) == 0 {
		return false
	}
	if p == Stars || len(p) > 64 || strings.HasPrefix(p, "%") {
		return true
	}
	digits, hexes, others := 0, 0, 0
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'a' && c <= 'f', c >= 'A' && c <= 'F', c == '-':
			hexes++
		default:
			others++
		}
	}
	switch {
	case digits == 0:
		return false
	case others == 0:
		return hexes == 0 || len(p) >= 8
	}
	// "v2", "page2" and "index3.html" are names; "order-20391" and "a8Xk29qPz0" are not.
	return digits >= 4 || len(p) >= 8 && digits*3 >= len(p)
}
