//! Functions and procedures that do more than compute.
//!
//! It refuses to guess: a function that is not listed, such as one that a user made, counts as computing only.
//! Invariant: names are compared in lower case, whatever quotes or schema they came with.

/// What calling does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// It computes, as far as is known.
    None,
    /// It waits, locks, reads or writes files, talks to others or changes the server.
    Acts,
    /// It runs a text as SQL or as a command.
    RunsText,
}

impl Effect {
    /// Of a function or procedure.
    pub(super) fn of(name: &str) -> Self {
        let mut lower = [0; LONGEST];
        let Some(lower) = lower.get_mut(..name.len()) else { return Self::None };
        lower.copy_from_slice(name.as_bytes());
        lower.make_ascii_lowercase();
        let Ok(name) = std::str::from_utf8(lower) else { return Self::None };
        let listed = |names: &[&str], starts: &[&str]| {
            names.binary_search(&name).is_ok() || starts.iter().any(|start| name.starts_with(start))
        };
        if listed(RUN_TEXT, RUN_TEXT_STARTS) {
            Self::RunsText
        } else if listed(ACT, ACT_STARTS) {
            Self::Acts
        } else {
            Self::None
        }
    }

    /// Of a package, such as `utl_http` in `utl_http.request('…')`.
    pub(super) fn of_package(name: &str) -> Self {
        let is = |start: &str| name.get(..start.len()).is_some_and(|own| own.eq_ignore_ascii_case(start));
        if PACKAGES.iter().any(|start| is(start)) { Self::Acts } else { Self::None }
    }
}

/// No listed name is longer, bytes.
const LONGEST: usize = 64;

const PACKAGES: &[&str] = &["ctxsys", "dbms_", "htp", "owa_", "utl_"];

/// Sorted.
const RUN_TEXT: &[&str] = &[
    "connectby",
    "crosstab",
    "dblink",
    "eval",
    "exec_ddl_statement",
    "executable",
    "load_extension",
    "mysql_query",
    "openquery",
    "postgres_query",
    "sp_sqlexec",
    "sys_eval",
    "sys_exec",
    "ts_stat",
    "xp_cmdshell",
    "xp_execresultset",
];

const RUN_TEXT_STARTS: &[&str] =
    &["dblink_", "crosstab", "query_to_xml", "sp_cursor", "sp_execute", "sp_msforeach", "sp_oa", "sp_prep"];

/// Sorted.
const ACT: &[&str] = &[
    "benchmark",
    "edit",
    "file",
    "fsdir",
    "fts3_tokenizer",
    "get_lock",
    "getenv",
    "hdfs",
    "http",
    "httpuritype",
    "load_file",
    "lowrite",
    "master_pos_wait",
    "nextval",
    "odbc",
    "opendatasource",
    "openrowset",
    "parquet_scan",
    "postgres_scan",
    "readfile",
    "release_all_locks",
    "release_lock",
    "remote",
    "remotesecure",
    "s3",
    "set_config",
    "setval",
    "sleep",
    "sniff_csv",
    "source_pos_wait",
    "sqlite_attach",
    "sqlite_scan",
    "url",
    "wait_for_executed_gtid_set",
    "writefile",
    "zipfile",
];

const ACT_STARTS: &[&str] = &[
    "dbms_",
    "fn_get_audit_file",
    "fn_trace_gettable",
    "fn_xe_file",
    "http_",
    "lo_",
    "pg_advisory_",
    "pg_backup_",
    "pg_cancel_",
    "pg_create_",
    "pg_drop_",
    "pg_export_snapshot",
    "pg_file_",
    "pg_import_",
    "pg_log_",
    "pg_logical_",
    "pg_ls_",
    "pg_notify",
    "pg_promote",
    "pg_read_",
    "pg_reload_",
    "pg_replication_",
    "pg_rotate_",
    "pg_sleep",
    "pg_start_backup",
    "pg_stat_file",
    "pg_stat_reset",
    "pg_stat_statements_reset",
    "pg_stop_backup",
    "pg_switch_",
    "pg_terminate_",
    "pg_try_advisory_",
    "pg_wal_replay_",
    "read_blob",
    "read_csv",
    "read_json",
    "read_ndjson",
    "read_parquet",
    "read_text",
    "utl_",
    "xp_",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted_so_that_each_name_is_found() {
        assert!(RUN_TEXT.is_sorted() && ACT.is_sorted());
        for (names, effect) in [(RUN_TEXT, Effect::RunsText), (ACT, Effect::Acts)] {
            for name in names {
                assert_eq!(Effect::of(&name.to_ascii_uppercase()), effect, "{name}");
            }
        }
    }

    #[test]
    fn what_only_looks_at_the_catalogue_or_computes_has_no_effect() {
        for name in
            ["pg_size_pretty", "pg_total_relation_size", "pg_get_viewdef", "upper", "sleepy", "\u{e9}"]
        {
            assert_eq!(Effect::of(name), Effect::None, "{name}");
        }
        assert_eq!(Effect::of(&"x".repeat(LONGEST + 1)), Effect::None);
    }
}
