//! Tests of all readings together.

mod properties;

use super::{Dialect, Kinds, SqlKinds};

/// Asks for kinds by their words; the first may be `dialect:`.
fn asked(words: &str) -> SqlKinds {
    let (dialect, words) = words
        .split_once(':')
        .map_or((None, words), |(dialect, words)| (Some(Dialect::named(dialect).expect("a dialect")), words));
    let named = |word| Kinds::named(word).unwrap_or_else(|| panic!("{word} is no kind"));
    let kinds = words.split_whitespace().map(named).fold(Kinds::default(), Kinds::and);
    SqlKinds { kinds, dialect }
}

fn any(words: &str, text: &str) -> Option<bool> {
    asked(words).any(text)
}

fn only(words: &str, text: &str) -> Option<bool> {
    asked(words).only(text)
}

/// The kinds that the text holds for certain, as words.
fn certain(dialect: Dialect, text: &str) -> Vec<&'static str> {
    let holds = |word: &&str| {
        let kinds = Kinds::named(word).unwrap_or_default();
        SqlKinds { kinds, dialect: Some(dialect) }.any(text) == Some(true)
    };
    Kinds::words().filter(holds).filter(|word| !GROUPS.contains(word)).collect()
}

const GROUPS: [&str; 5] = ["read", "write", "define", "move", "maintain"];
const READ_ONLY: Option<bool> = Some(true);
const WRITES: Option<bool> = Some(false);
const DOUBT: Option<bool> = None;

#[test]
fn a_statement_is_of_the_kinds_of_what_it_does() {
    for (text, kinds) in [
        ("SELECT 1", "select"),
        ("  \n\tselect * from t;", "select"),
        ("(((SELECT 1)))", "select"),
        ("((DROP TABLE x))", "drop"),
        ("VALUES (1), (2)", "values"),
        ("TABLE t", "table"),
        ("SHOW CREATE TABLE t", "show"),
        ("DESC t", "describe"),
        ("insert into t values (1)", "insert"),
        ("INSERT INTO t SELECT * FROM u", "select insert"),
        ("INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2", "insert update"),
        ("INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 2", "insert update"),
        ("INSERT OR REPLACE INTO t VALUES (1)", "insert replace"),
        ("REPLACE INTO t VALUES (1)", "replace"),
        ("UPSERT INTO t VALUES (1)", "insert update"),
        ("UPDATE t SET a = (SELECT max(a) FROM u)", "update"),
        ("DELETE FROM t WHERE a IN (SELECT a FROM u)", "delete"),
        ("MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE", "delete merge"),
        ("MERGE INTO t USING u ON true WHEN NOT MATCHED THEN INSERT VALUES (1)", "insert merge"),
        ("MERGE INTO t USING u ON true WHEN MATCHED THEN DO NOTHING", "merge"),
        ("TRUNCATE t", "truncate"),
        ("CREATE TABLE t (a int DEFAULT 1)", "create"),
        ("CREATE TABLE t AS SELECT 1", "select create"),
        ("CREATE TABLE t (a int REFERENCES u ON DELETE CASCADE ON UPDATE SET NULL)", "create"),
        ("ALTER TABLE t ADD COLUMN a int", "alter"),
        ("ALTER TABLE t ALTER COLUMN a DROP NOT NULL", "alter"),
        ("DROP TABLE IF EXISTS t", "drop"),
        ("RENAME TABLE a TO b", "rename"),
        ("COMMENT ON TABLE t IS 'DROP TABLE t'", "comment"),
        ("GRANT SELECT, UPDATE, DELETE ON t TO u", "grant"),
        ("GRANT CREATE ANY TABLE, DROP ANY TABLE TO u", "grant"),
        ("REVOKE INSERT ON t FROM u", "revoke"),
    ] {
        assert_kinds(text, kinds);
    }
}

#[test]
fn what_does_not_touch_rows_has_kinds_too() {
    for (text, kinds) in [
        ("BEGIN; COMMIT; ROLLBACK TO s; SAVEPOINT s; RELEASE s; END", "transaction"),
        ("START TRANSACTION READ ONLY", "transaction"),
        ("SET search_path = public", "set"),
        ("RESET ALL", "set"),
        ("USE db; SELECT 1", "select use"),
        ("PRAGMA table_info(t)", "pragma"),
        ("DECLARE @day date = '2024-01-01' SELECT @day", "select declare"),
        ("DECLARE c CURSOR FOR SELECT 1", "select declare"),
        ("CALL p(1)", "call"),
        ("EXEC dbo.p @a = 1", "call"),
        ("COPY t FROM '/tmp/x'", "insert copy"),
        ("COPY (SELECT * FROM t) TO '/tmp/x'", "copy export"),
        ("COPY t FROM PROGRAM 'id'", "insert call copy"),
        ("LOAD DATA INFILE 'x' INTO TABLE t", "insert load"),
        ("ATTACH DATABASE 'x' AS y", "attach"),
        ("VACUUM INTO 'x'", "export vacuum"),
        ("KILL 5", "kill"),
        ("LOCK TABLES t WRITE; UNLOCK TABLES", "lock"),
        ("NOTIFY c, 'x'", "notify"),
        ("EXPLAIN SELECT 1", "explain"),
        ("EXPLAIN ANALYZE SELECT 1", "select explain"),
        ("EXPLAIN ANALYZE DELETE FROM t", "explain delete"),
        ("EXPLAIN (ANALYZE, BUFFERS) UPDATE t SET a = 1", "explain update"),
        ("EXPLAIN ANALYZE WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", "select explain delete"),
    ] {
        assert_kinds(text, kinds);
    }
}

/// The text is of these kinds and no others, to every server.
fn assert_kinds(text: &str, kinds: &str) {
    assert_eq!(certain(Dialect::Ansi, text).join(" "), kinds, "{text}");
    assert_eq!(only(kinds, text), READ_ONLY, "{text}, in every reading");
    assert_eq!(any("import", text), Some(false), "{text} is of no other kind");
}

#[test]
fn a_table_expression_counts_as_what_it_writes() {
    for (text, kinds) in [
        ("WITH x AS (SELECT 1) SELECT * FROM x", "select"),
        ("WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t) SELECT * FROM t", "select"),
        ("WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", "select delete"),
        ("WITH d AS NOT MATERIALIZED (\n\tUPDATE t SET a = 1 RETURNING *) SELECT 1", "select update"),
        (
            "WITH d AS (INSERT INTO t VALUES (1)), e AS (MERGE INTO t USING u ON 1=1) SELECT 1",
            "select insert merge",
        ),
        ("WITH x AS (SELECT 1) DELETE FROM t USING x", "delete"),
        ("WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x", "select insert"),
        ("WITH x AS (SELECT 1) UPDATE t SET a = 1", "update"),
        ("SELECT * FROM (WITH d AS (DELETE FROM t RETURNING 1) SELECT * FROM d) s", "select delete"),
        ("SELECT * FROM FINAL TABLE (INSERT INTO t VALUES (1))", "select insert"),
    ] {
        assert_eq!(certain(Dialect::Postgres, text).join(" "), kinds, "{text}");
        assert_eq!(only(kinds, text), READ_ONLY, "{text}");
    }
}

#[test]
fn a_select_that_leaves_something_behind_is_more_than_a_select() {
    for (text, kinds) in [
        ("SELECT * INTO backup FROM t", "select create"),
        ("SELECT * INTO #t FROM u", "select create"),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", "select export"),
        ("SELECT 1 UNION SELECT 2 INTO DUMPFILE '/tmp/x'", "select export"),
        ("SELECT 1 INTO @a, @b", "select set"),
        ("SELECT * FROM t FOR UPDATE SKIP LOCKED", "select lock"),
        ("SELECT * FROM t FOR NO KEY UPDATE", "select lock"),
        ("SELECT * FROM t LOCK IN SHARE MODE", "select lock"),
        ("SELECT nextval('s')", "select call"),
        ("SELECT s.NEXTVAL FROM dual", "select call"),
        ("SELECT NEXT VALUE FOR s", "select call"),
        ("SELECT pg_terminate_backend(1)", "select call"),
        ("SELECT pg_catalog . \"pg_sleep\" /* x */ (5)", "select call"),
        ("SELECT utl_http.request('http://x') FROM dual", "select call"),
        ("SELECT * FROM t WHERE sleep(5)", "select call"),
    ] {
        assert_eq!(certain(Dialect::Ansi, text).join(" "), kinds, "{text}");
        assert_eq!(only("select", text), WRITES, "{text}");
    }
    assert_eq!(only("select", "SELECT 1 AS insert INTO t"), DOUBT);
}

#[test]
fn statements_are_seen_behind_whatever_parts_them() {
    for text in [
        "SELECT 1; DROP TABLE t",
        "SELECT 1;DROP/**/TABLE/**/t",
        "; ;; -- x\n DrOp TaBlE t",
        "-- hi\nDROP TABLE t",
        "/* hi */ DROP TABLE t",
        "SELECT 1\nGO\nDROP TABLE t\nGO 5",
        "SELECT 1 FROM dual\n/\nDROP TABLE t\n/\n",
        "SELECT 1\r\nGO\r\nDROP TABLE t",
        "SELECT ';' ; DROP TABLE t",
        "BEGIN TRANSACTION; DROP TABLE t; COMMIT",
    ] {
        assert_eq!(any("drop", text), Some(true), "{text}");
        assert_eq!(only("select transaction", text), WRITES, "{text}");
    }
}

#[test]
fn a_statement_that_nothing_parts_from_the_one_before_is_possible() {
    for text in [
        "SELECT 1 DROP TABLE t",
        "SELECT 'a'DROP TABLE t",
        "SELECT (1)DROP TABLE t",
        "SELECT \"a\" DROP [t]",
        "SELECT a FROM t WHERE b = 1 DELETE FROM t",
        "SELECT * FROM t UPDATE t SET a = 1",
        "SELECT 1 INSERT t VALUES (1)",
        "SELECT 1 EXEC xp_cmdshell 'dir'",
        "SELECT 1 EXECUTE AS LOGIN = 'sa'",
        "SELECT 1 SHUTDOWN",
        "SELECT 1 SHUTDOWN WITH NOWAIT",
        "SELECT 1 KILL 5",
        "SELECT 1 WAITFOR DELAY '0:0:5'",
        "SELECT 1 BACKUP DATABASE d TO DISK = 'x'",
        "SELECT 1 GRANT CONTROL TO u",
        "SELECT 1 MERGE t USING u ON 1 = 1",
        "SELECT 1 TRUNCATE TABLE t",
        "SELECT 1 CREATE TABLE t (a int)",
        "SELECT 1 ALTER TABLE t ADD a int",
        "SELECT 1 SET IDENTITY_INSERT t ON",
        "SELECT 1 DBCC CHECKDB",
        "SELECT 1 BULK INSERT t FROM 'x'",
        "SELECT 1 DECLARE @x int",
        "SELECT 1 BEGIN TRAN",
        "SELECT 1 COMMIT",
        "SELECT 1eDROP TABLE t",
        "SELECT 0xUPDATE t SET a = 1",
        "SELECT 1.DROP TABLE t",
        "SELECT $ DROP TABLE t",
        "SELECT ? DROP TABLE t",
        "SELECT {d '2024-01-01'} DROP TABLE t",
        "SELECT 1 UPDATE ..t SET a = 1",
        "SELECT 1 GRANT SELECT ON t TO u",
        "SELECT 1 SHUTDOWN SELECT 2",
        "SELECT 1 WRITETEXT t.c @p 'x'",
        "SELECT 1 SETUSER 'u'",
    ] {
        assert_eq!(only("select", text), DOUBT, "{text}");
    }
    assert_eq!(any("drop", "SELECT 1 DROP TABLE t"), DOUBT);
    assert_eq!(any("drop", "SELECT 1 GRANT CONTROL TO u DROP TABLE t"), DOUBT);
    assert_eq!(any("drop", "SET NOCOUNT ON DROP TABLE t"), DOUBT);
    assert_eq!(any("drop", "DECLARE @ int SELECT @ DROP TABLE t"), DOUBT);
    assert_eq!(any("drop", "ALTER TABLE t DROP COLUMN a"), DOUBT);
    assert_eq!(any("insert", "SELECT 1 DROP TABLE t"), Some(false));
}

#[test]
fn words_of_statements_are_also_names_and_clauses() {
    for text in [
        "SELECT t.delete, t.drop FROM t",
        "SELECT a AS update, b AS \"drop\" FROM t",
        "SELECT replace(a, 'x', 'y'), insert(a, 1, 1, 'x'), truncate(a, 2) FROM t",
        "SELECT 'DROP TABLE t', \"delete from t\" FROM t",
        "SELECT [drop], `update` FROM t",
        "SELECT drop, update FROM t ORDER BY delete DESC",
        "SELECT * FROM t WITH (NOLOCK) OPTION (MERGE JOIN, RECOMPILE)",
        "SELECT comment, call, load, show, use, lock, analyze FROM t",
        "SELECT :drop, @delete, $update, ?",
        "SELECT * FROM t ORDER BY a OFFSET 5 ROWS FETCH NEXT 5 ROWS ONLY",
        "SELECT * FROM t USE INDEX (i)",
        "SELECT cast(a AS char CHARACTER SET utf8) FROM t",
        "SELECT 2*/* two */3",
    ] {
        assert_eq!(only("select", text), READ_ONLY, "{text}");
    }
}

#[test]
fn what_nobody_here_can_read_is_in_doubt() {
    for text in [
        "FROM t SELECT a",
        "Hello there",
        "1; 2",
        "()",
        "WITH x AS (SELECT 1)",
        "{call p(1)}",
        "DO $$ BEGIN DROP TABLE t; END $$",
        "DO 'x'",
        "CREATE FUNCTION f() RETURNS int AS $$ DELETE FROM t $$ LANGUAGE sql",
        "CREATE OR REPLACE PROCEDURE p AS BEGIN DELETE FROM t; END",
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM u; END",
        "CREATE DEFINER=`a`@`b` EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM t",
        "EXEC('DROP TABLE t')",
        "EXECUTE IMMEDIATE 'DROP TABLE t'",
        "EXEC @sql",
        "EXEC sp_executesql N'DROP TABLE t'",
        "EXEC sys.sp_executesql N'DROP TABLE t'",
        "PREPARE s FROM 'DROP TABLE t'",
        "SELECT * FROM dblink('c', 'DROP TABLE t') AS x(a int)",
        "SELECT query_to_xml('DROP TABLE t', true, true, '')",
        "IF 1 = 1 SELECT 1",
        "WHILE 1 = 1 SELECT 1",
        "SELECT 'unfinished",
        "SELECT \"unfinished",
        "SELECT 1 /* unfinished",
        "SELECT \0 1",
        "SELECT '\0'",
        "SELECT \u{1} 1",
        "SELECT\u{a0}1",
        "SELECT 1 -- x\rSELECT 2",
        "SELECT 1 -- x\u{2028}SELECT 2",
        "SELECT 1 */ 2",
        "\\! rm -rf x",
        "SELECT 1 \\g x",
        "\\copy t from 'x'",
        ".shell rm x",
        "SELECT 1;\n.shell rm x",
        "system rm x",
        "source x.sql",
        "!dir",
        "SELECT 1\n!!dir\nGO",
        "DELIMITER //\nDROP TABLE t//",
        "\u{ff24}\u{ff32}\u{ff2f}\u{ff30} TABLE t",
        "SELECT /*+ QB_NAME(\"*/ ' \") */ ; DROP TABLE t; -- '",
        "SELECT U&\"d\\0061t\\0061\"(1)",
    ] {
        assert_eq!(any("import", text), DOUBT, "{text}");
        assert_ne!(only("select", text), READ_ONLY, "{text}");
        let every: Vec<&str> = Kinds::words().collect();
        assert_ne!(only(&every.join(" "), text), READ_ONLY, "{text}");
    }
}

#[test]
fn go_parts_statements_only_on_a_line_of_its_own() {
    assert_eq!(only("select", "SELECT 1 go FROM t"), READ_ONLY);
    for go in ["go", "GO 5", "\tGo ", "go -- x", "go /* x */", "go;"] {
        let text = format!("SELECT 1\n{go}\nxp_cmdshell 'dir'");
        assert_eq!(only("select", &text), DOUBT, "{text}");
    }
}

#[test]
fn an_empty_text_holds_no_statement() {
    for text in ["", "  \n", ";;", "-- DROP TABLE t", "/* DROP TABLE t */;"] {
        assert_eq!((any("drop", text), only("drop", text)), (Some(false), Some(false)), "{text}");
    }
}

#[test]
fn servers_that_read_a_text_differently_leave_it_in_doubt_unless_the_rule_says_whose_it_is() {
    // The text, who would drop the table, who would not.
    for (text, drops, selects) in [
        (r"SELECT 'a\'; DROP TABLE t; -- '", "postgres sqlite mssql oracle ansi", "mysql bigquery snowflake"),
        (
            r"SELECT 'a\' || '; DROP TABLE t; -- '",
            "mysql bigquery snowflake",
            "postgres sqlite mssql oracle ansi",
        ),
        (r"SELECT E'\'; DROP TABLE t; --'", "sqlite mssql oracle", "postgres mysql"),
        ("SELECT 1 # ; DROP TABLE t", "postgres sqlite mssql", "mysql bigquery"),
        ("SELECT 1 # '\n; DROP TABLE t; -- '", "mysql bigquery", "postgres mssql"),
        ("SELECT 1 // '\n; DROP TABLE t; -- '", "snowflake", "mysql postgres"),
        ("SELECT 1--1; DROP TABLE t", "mysql", "postgres sqlite mssql oracle"),
        ("SELECT 1 /* /* */ ; DROP TABLE t; -- */", "mysql sqlite oracle", "postgres mssql"),
        ("SELECT /* /* */ ' */ ; DROP TABLE t; -- '", "postgres mssql", "mysql sqlite oracle"),
        ("SELECT [ ' ]; DROP TABLE t; -- ']", "mssql sqlite", "postgres mysql oracle"),
        ("SELECT [a]]; DROP TABLE t]", "sqlite", "mssql"),
        ("SELECT `'`; DROP TABLE t; -- '", "mysql sqlite", "postgres mssql oracle"),
        ("SELECT $a$ ' $a$; DROP TABLE t; -- '", "postgres", "mysql sqlite mssql oracle snowflake"),
        ("SELECT $$ ' $$; DROP TABLE t; -- '", "postgres snowflake", "mysql sqlite mssql oracle bigquery"),
        ("SELECT q'[']'; DROP TABLE t; -- '", "oracle", "postgres mysql sqlite mssql"),
        ("SELECT '''a'b'''; DROP TABLE t; -- '", "bigquery", "postgres mysql"),
    ] {
        assert_eq!(any("drop", text), DOUBT, "{text}");
        assert_eq!(only("select", text), DOUBT, "{text}");
        for dialect in drops.split(' ') {
            assert_eq!(any(&format!("{dialect}:drop"), text), Some(true), "{dialect}: {text}");
        }
        for dialect in selects.split(' ') {
            assert_ne!(any(&format!("{dialect}:drop"), text), Some(true), "{dialect}: {text}");
        }
    }
}

#[test]
fn comments_that_mysql_runs_are_in_doubt_where_they_change_anything() {
    for text in
        ["SELECT 1 /*!50000 ; DROP TABLE t */", "SELECT 1 /*! ; DROP TABLE t */", "/*M!100100 DROP TABLE t*/"]
    {
        assert_ne!(any("drop", text), Some(false), "{text}");
        assert_ne!(any("mysql:drop", text), Some(false), "{text}");
        assert_eq!(any("postgres:drop", text), Some(false), "{text}");
    }
    assert_eq!(only("select", "SELECT /*!40001 SQL_NO_CACHE */ * FROM t"), READ_ONLY);
    assert_eq!(only("mysql:select", "SELECT 1 /*!99999 /* */ ' */ ; DROP TABLE t; -- ' */"), DOUBT);
    assert_eq!(only("select", "SELECT /*+ INDEX(t i) */ * FROM t"), READ_ONLY);
}

#[test]
fn an_escape_string_that_goes_on_in_the_next_line_is_in_doubt() {
    let text = "SELECT E'a'\n'\\' || '; DROP TABLE t; --'";
    assert_eq!(only("postgres:select", text), DOUBT);
    assert_eq!(only("postgres:select", "SELECT E'a\\'b', 'c\\'"), READ_ONLY);
}

#[test]
fn a_keyword_in_pieces_is_no_keyword() {
    assert_eq!(any("drop", "DR/**/OP TABLE t"), DOUBT);
    assert_eq!(any("drop", "SELECT 1; DROP/* x */TABLE t"), Some(true));
}
