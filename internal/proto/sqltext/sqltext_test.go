package sqltext_test

import (
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/proto/sqltext"
)

func TestFold(t *testing.T) {
	for _, c := range [][2]string{
		{"SELECT  *\n\tFROM orders -- all\n WHERE id = $1 ", "SELECT * FROM orders WHERE id = $1"},
		{"select /* trace */ 'a  b', \"C  d\"", "select 'a  b', \"C  d\""},
		{"/*!40101 SET NAMES utf8 */;", "SET NAMES utf8 ;"},
		{"ALTER ROLE bob WITH PASSWORD 'geheim' VALID UNTIL 'x'", "ALTER ROLE bob WITH PASSWORD '***' VALID UNTIL '***'"},
		{"CREATE USER 'bob'@'%' IDENTIFIED BY \"geheim\"", "CREATE USER 'bob'@'%' IDENTIFIED BY '***'"},
		{"SET PASSWORD FOR 'bob'@'%' = PASSWORD('geheim')", "SET PASSWORD FOR '***'@'***' = PASSWORD('***')"},
		{"create user b password E'ge\\'heim'", "create user b password '***'"},
		{"create user b password 'geheim and not the en", "create user b password '***'"},
		{"ALTER USER b PASSWORD $$geheim$$; SELECT 'a'", "ALTER USER b PASSWORD '***'; SELECT 'a'"},
		{"SELECT dblink('host=x password=geheim')", "SELECT dblink('***')"},
		{"INSERT INTO users (name, password) VALUES ('a', 'geheim')", "INSERT INTO users (name, password) VALUES ('***', '***')"},
		{"SELECT " + strings.Repeat("x", 2000), "SELECT " + strings.Repeat("x", sqltext.MaxText-7) + "..."},
	} {
		if got := string(sqltext.Fold(nil, []byte(c[0]), true)); got != c[1] {
			t.Errorf("%q: got %q, want %q", c[0], got, c[1])
		}
	}
	if got := string(sqltext.Fold([]byte("> "), []byte("set  password = 'x'"), false)); got != "> set password = 'x'" {
		t.Errorf("with secrets: %q", got)
	}
}

func TestSummary(t *testing.T) {
	for _, c := range [][2]string{
		{"select * from orders where id = 1", "SELECT orders"},
		{"SELECT extract(year FROM d) FROM public.\"Orders\"", "SELECT public.Orders"},
		{"select a from (select b from c) x", "SELECT c"},
		{"SELECT 1", "SELECT"},
		{"with x as (select 1 from y) insert into z select * from x", "INSERT z"},
		{"insert into `a`.`b` values (1)", "INSERT a.b"},
		{"REPLACE INTO t VALUES (1)", "REPLACE t"},
		{"delete from only t", "DELETE t"},
		{"UPDATE t SET a = 1", "UPDATE t"},
		{"create unique index concurrently if not exists i on t (a)", "CREATE INDEX i"},
		{"CREATE TEMP TABLE t (a int)", "CREATE TABLE t"},
		{"DROP TABLE IF EXISTS t", "DROP TABLE t"},
		{"begin", "BEGIN"},
		{"/* x */ COMMIT;", "COMMIT"},
		{"SET search_path = a", "SET search_path"},
		{"(select 1 from t)", "SELECT t"},
		{"truncate table t", "TRUNCATE t"},
		{"'", ""},
		{"", ""},
	} {
		if _, got := sqltext.Summary([]byte(c[0])); got != c[1] {
			t.Errorf("%q: got %q, want %q", c[0], got, c[1])
		}
	}
}

func FuzzSQL(f *testing.F) {
	f.Add([]byte("select $a$ x $a$ from \"b\".c -- d"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n := len(sqltext.Fold(nil, b, true)); n > sqltext.MaxText+8 {
			t.Errorf("%d bytes", n)
		}
		sqltext.Summary(b)
	})
}
