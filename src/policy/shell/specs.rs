//! The options of programs that run other programs, as their manuals list them.
//!
//! It refuses to decide anything: this is a table. Invariant: a letter or name that takes a value stands among the
//! valued ones, or a value would be taken for the program.

/// The options of a wrapper, and what stands behind them.
#[derive(Debug)]
pub(super) struct Spec {
    /// The programs, with a space between.
    pub(super) names: &'static str,
    /// Letters of options without a value.
    pub(super) flags: &'static str,
    /// Letters of options with one.
    pub(super) valued: &'static str,
    /// Long options, with spaces between, without a value, or with one behind `=`.
    pub(super) long: &'static str,
    /// Long options with a value, behind `=` or as the next word.
    pub(super) long_valued: &'static str,
    /// Options, also listed as valued, whose value is a script.
    pub(super) scripts: &'static str,
    /// How many words stand in front of the program.
    pub(super) operands: usize,
    /// Whether `NAME=value` may stand in front of the program.
    pub(super) assigns: Assigns,
    /// What follows.
    pub(super) rest: Rest,
}

/// Whether a wrapper sets variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assigns {
    Yes,
    No,
}

/// What stands behind the options of a wrapper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// A program and its arguments.
    Program,
    /// The same; without one a shell is started.
    ProgramOrShell,
    /// Words that are put together and given to a shell.
    Script,
    /// The same; without any a shell is started.
    ScriptOrShell,
    /// Arguments of a shell.
    Shell,
}

const PLAIN: Spec = Spec {
    names: "",
    flags: "",
    valued: "",
    long: "help version",
    long_valued: "",
    scripts: "",
    operands: 0,
    assigns: Assigns::No,
    rest: Rest::Program,
};

/// Programs that do nothing but run another.
pub(super) const WRAPPERS: &[Spec] = &[
    Spec {
        names: "nohup builtin busybox toybox noglob nocorrect - not and or begin fakeroot proxychains \
            proxychains4 torsocks dbus-run-session unbuffer rlwrap catchsegv",
        ..PLAIN
    },
    Spec {
        names: "sudo",
        flags: "ABbEeHiKklNnPSsVv",
        valued: "CDghpRrTtuU",
        long: "askpass background bell edit preserve-env set-home login shell stdin non-interactive \
            no-update remove-timestamp reset-timestamp validate list version help preserve-groups",
        long_valued: "close-from chdir group host prompt chroot role command-timeout type user other-user",
        assigns: Assigns::Yes,
        rest: Rest::ProgramOrShell,
        ..PLAIN
    },
    Spec { names: "doas", flags: "Lns", valued: "Cau", rest: Rest::ProgramOrShell, ..PLAIN },
    Spec {
        names: "pkexec",
        long: "disable-internal-agent keep-cwd help version",
        long_valued: "user",
        ..PLAIN
    },
    Spec {
        names: "env",
        flags: "i0v",
        valued: "uCSP",
        long: "ignore-environment null debug block-signal default-signal ignore-signal \
            list-signal-handling help version",
        long_valued: "unset chdir split-string argv0",
        scripts: "S split-string",
        assigns: Assigns::Yes,
        ..PLAIN
    },
    Spec { names: "nice", flags: "0123456789-", valued: "n", long_valued: "adjustment", ..PLAIN },
    Spec {
        names: "timeout gtimeout",
        flags: "fpv",
        valued: "ks",
        long: "foreground preserve-status verbose help version",
        long_valued: "kill-after signal",
        operands: 1,
        ..PLAIN
    },
    Spec {
        names: "time gtime",
        flags: "aplhvqV",
        valued: "fo",
        long: "append portability verbose quiet help version",
        long_valued: "format output",
        ..PLAIN
    },
    Spec { names: "setsid", flags: "cfwhV", long: "ctty fork wait help version", ..PLAIN },
    Spec { names: "stdbuf", valued: "ioe", long_valued: "input output error", ..PLAIN },
    Spec {
        names: "ionice",
        flags: "thV",
        valued: "cnpPu",
        long: "ignore help version",
        long_valued: "class classdata pid pgid uid",
        ..PLAIN
    },
    Spec { names: "chrt", flags: "abdfiomrRvhV", valued: "TPDp", operands: 1, ..PLAIN },
    Spec {
        names: "taskset",
        flags: "aph",
        long: "all-tasks cpu-list help",
        valued: "",
        operands: 1,
        ..PLAIN
    },
    Spec { names: "repeat", operands: 1, ..PLAIN },
    Spec {
        names: "chroot",
        long: "skip-chdir help version",
        long_valued: "groups userspec",
        operands: 1,
        rest: Rest::ProgramOrShell,
        ..PLAIN
    },
    Spec { names: "exec", flags: "cl", valued: "a", ..PLAIN },
    Spec {
        names: "flock",
        flags: "sxnueoFvhV",
        valued: "wEc",
        long: "shared exclusive unlock nonblock nb close no-fork verbose help version",
        long_valued: "wait timeout conflict-exit-code command",
        scripts: "c command",
        operands: 1,
        ..PLAIN
    },
    Spec { names: "strace ltrace", flags: "cCdfFhiknqrtTvVwxyYzZ", valued: "abeEIoOpPsSuUX", ..PLAIN },
    Spec {
        names: "script",
        flags: "aefqhVdkpr",
        valued: "cEITOBomt",
        long: "append return flush force quiet help version",
        long_valued: "command echo log-in log-timing log-out log-io output-limit logging-format",
        scripts: "c command",
        operands: 1,
        rest: Rest::ProgramOrShell,
        ..PLAIN
    },
    Spec {
        names: "ssh slogin",
        flags: "46AaCfGgKkMNnqsTtVvXxYy",
        valued: "BbcDEeFIiJLlmOoPpQRSWw",
        operands: 1,
        rest: Rest::ScriptOrShell,
        ..PLAIN
    },
    Spec {
        names: "su",
        flags: "flmpPhV",
        valued: "cCgGsTw",
        long: "fast login preserve-environment pty no-pty help version",
        long_valued: "command session-command group supp-group shell whitelist-environment",
        scripts: "c C command session-command",
        operands: 1,
        rest: Rest::Shell,
        ..PLAIN
    },
    Spec { names: "sg", valued: "c", scripts: "c", operands: 1, rest: Rest::ProgramOrShell, ..PLAIN },
    Spec { names: "gosu su-exec chpst setuidgid", operands: 1, ..PLAIN },
    Spec {
        names: "unshare",
        flags: "abcefhiklmnprtuCTUV",
        valued: "SGRwl",
        long: "mount uts ipc net pid user cgroup time fork map-root-user map-current-user map-auto \
            keep-caps kill-child mount-proc help version",
        long_valued: "root wd setuid setgid propagation setgroups map-user map-group",
        rest: Rest::ProgramOrShell,
        ..PLAIN
    },
    Spec {
        names: "nsenter",
        flags: "amniupCTUrwFZehVc",
        valued: "tSGW",
        long: "all mount uts ipc net pid cgroup user time root wd no-fork preserve-credentials env help \
            version",
        long_valued: "target setuid setgid wdns",
        rest: Rest::ProgramOrShell,
        ..PLAIN
    },
    Spec {
        names: "watch",
        flags: "bcdegptwxrChv",
        valued: "nqs",
        long: "beep color no-color differences errexit chgexit precise no-title no-wrap exec no-rerun help \
            version",
        long_valued: "interval equexit shotsdir",
        rest: Rest::Script,
        ..PLAIN
    },
    Spec { names: "caffeinate", flags: "disum", valued: "tw", ..PLAIN },
    Spec { names: "arch linux32 linux64 i386 x86_64 uname26", flags: "3BFILRSTXZh", ..PLAIN },
    Spec { names: "setarch", flags: "3BFILRSTXZh", operands: 1, ..PLAIN },
    Spec {
        names: "prlimit",
        flags: "hV",
        valued: "o",
        long: "help noheadings raw verbose version as core cpu data fsize locks memlock msgqueue nice nofile \
            nproc rss rtprio rttime sigpending stack",
        long_valued: "output",
        ..PLAIN
    },
    Spec {
        names: "numactl",
        flags: "asHhl",
        valued: "iwpPmNCd",
        long: "all balancing hardware localalloc show",
        long_valued: "interleave weighted-interleave preferred preferred-many membind cpunodebind physcpubind",
        ..PLAIN
    },
    Spec {
        names: "systemd-run",
        flags: "dGPqrStThv",
        valued: "EHMpu",
        long: "collect pipe pty quiet remain-after-exit same-dir scope send-sighup service-type shell slice-inherit \
            no-ask-password no-block user system wait help version",
        long_valued: "description host machine nice on-active on-boot on-calendar on-startup on-unit-active \
            on-unit-inactive path-property property setenv slice socket-property timer-property uid gid \
            unit working-directory",
        rest: Rest::ProgramOrShell,
        ..PLAIN
    },
    Spec {
        names: "run0",
        long: "no-ask-password help version",
        long_valued: "unit property description slice user group nice chdir setenv background machine",
        rest: Rest::ProgramOrShell,
        ..PLAIN
    },
    Spec { names: "faketime", flags: "mfh", long: "exclude-monotonic help version", operands: 1, ..PLAIN },
    Spec { names: "firejail bwrap", rest: Rest::ProgramOrShell, ..PLAIN },
    Spec { names: "entr", flags: "acdnprsxz", rest: Rest::Script, ..PLAIN },
    Spec {
        names: "npx bunx pnpx uvx",
        flags: "yqn",
        valued: "pcw",
        long: "yes no no-install quiet ignore-existing offline prefer-offline help version",
        long_valued: "package call from with python workspace",
        scripts: "c call",
        ..PLAIN
    },
];

/// The loader of programs, called by its own name.
pub(super) const LOADER: Spec = Spec {
    long: "list verify inhibit-cache list-tunables list-diagnostics help version",
    long_valued: "library-path glibc-hwcaps-prepend glibc-hwcaps-mask inhibit-rpath audit preload argv0",
    ..PLAIN
};

/// `command`
pub(super) const COMMAND: Spec = Spec { flags: "p", ..PLAIN };

/// `xargs`
pub(super) const XARGS: Spec = Spec {
    flags: "0oprtxeil",
    valued: "IJRSEdLnPsa",
    long: "null no-run-if-empty verbose interactive exit open-tty show-limits replace eof max-lines help \
        version",
    long_valued: "arg-file delimiter max-args max-procs max-chars process-slot-var",
    ..PLAIN
};

/// GNU `parallel`
pub(super) const PARALLEL: Spec = Spec {
    flags: "0kmqtuXvrZ",
    valued: "aCdEIjJLNnPsSU",
    long: "bar dry-run dryrun eta group halt-on-error keep-order line-buffer lb link null no-notice \
        no-run-if-empty pipe progress quote tag ungroup verbose will-cite xargs",
    long_valued: "arg-file colsep delay delimiter halt jobs joblog max-args max-procs results retries \
        sshlogin timeout tmpdir workdir",
    rest: Rest::Script,
    ..PLAIN
};

/// `exec` and `run` of docker and its like.
pub(super) const CONTAINER: Spec = Spec {
    flags: "dDitTPqV",
    valued: "aceehlmnpuvw",
    long: "detach interactive tty rm privileged init read-only publish-all quiet no-healthcheck \
        oom-kill-disable sig-proxy no-tty no-TTY no-deps service-ports build",
    long_valued: "add-host attach cap-add cap-drop cgroupns cidfile cpus cpu-shares cpuset-cpus \
        detach-keys device dns entrypoint env env-file expose gpus group-add hostname index ip ipc label \
        link log-driver log-opt mac-address memory memory-swap mount name network net pid platform publish \
        pull restart runtime security-opt shm-size stop-signal stop-timeout sysctl tmpfs ulimit user \
        userns uts volume volumes-from workdir",
    operands: 1,
    ..PLAIN
};

/// Whether a list of words has this one.
pub(super) fn has(words: &str, word: &str) -> bool {
    words.split(' ').any(|one| one == word)
}
