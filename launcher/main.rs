//! The native launcher: sends a plain command line to the agent as `src/dsops/agent/client.py` does, without Python.
//!
//! In every other case, and in every doubt, this process becomes `dsops-python`, the Python script beside it. The script
//! gets a first word `--launcher=STATE:PATH` (`src/dsops/agent/handover.py`): how far the launcher has come, and the path
//! that it was started by. `client.py` explains the rules; tests/launcher compares both clients; and
//! docs/decisions/0046-launcher.md says why there are two.
//!
//! `main` replaces Rust's own start, which would open /dev/null for each closed standard stream.
#![no_main]

use std::collections::HashSet;
use std::ffi::{c_char, c_int, c_ulong, CStr, CString, OsStr};
use std::fs::{self, File};
use std::io::{pipe, Error, ErrorKind, IsTerminal, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::{ffi::OsStrExt, ffi::OsStringExt, fs::MetadataExt, net::UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{env, mem::ManuallyDrop, ptr};

const VERSION: &str = env!("DSOPS_VERSION");
/// The folder of the package of an editable installation. A wheel's package is below `lib`, beside the launcher's folder.
const PACKAGE: Option<&str> = option_env!("DSOPS_PACKAGE");

/// The commands whose complete output the agent can produce.
const ANSWERED: [&[u8]; 5] = [b"complete", b"credentials", b"get", b"hook-load", b"render"];
const PLAIN: [&[u8]; 3] = [b"--json", b"--keep-existing", b"--pristine"];
const PLAIN_WITH_VALUE: [&[u8]; 7] = [b"--config", b"-c", b"--credentials", b"--env", b"-e", b"--min-ttl", b"--reason"];
const OWN_WORK: [&[u8]; 9] =
    [b"--no-agent", b"--pick", b"--verbose", b"-v", b"--debug", b"--quiet", b"-q", b"--help", b"-h"];
const OFF: [&[u8]; 4] = [b"off", b"0", b"no", b"false"];
/// Variables with which Python starts alike, whatever their values are. Images with Python set the last two.
const HARMLESS: [&[u8]; 4] = [b"PYTHONDONTWRITEBYTECODE", b"PYTHONUNBUFFERED", b"PYTHON_SHA256", b"PYTHON_VERSION"];
/// Events that are shown at once.
const NOTES: [&[u8]; 1] = [b"clock.corrected"];
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

const LONGEST: usize = 1 << 23;
const HEARD: Duration = Duration::from_secs(5);
const SILENT: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(900);
/// How long events may wait unread: much shorter than the second after which Python shows a line for them.
const FAST: Duration = Duration::from_millis(100);
const INTERRUPTED: c_int = 130;

// The system's interface where `std` has none, with Linux's numbers for x86-64 and aarch64.
const SOCK_STREAM: c_int = 1;
const SOCK_NONBLOCK: c_int = 0o4000;
const SOCK_CLOEXEC: c_int = 0o2000000;
const MSG_PEEK: c_int = 2;
const SOL_SOCKET: c_int = 1;
const F_DUPFD: c_int = 0;
const SIGINT: c_int = 2;
const SIGPIPE: c_int = 13;
const SIGXFSZ: c_int = 25;
const SIG_BLOCK: c_int = 0;
const SIG_DFL: usize = 0;
const SIG_IGN: usize = 1;

/// `sigset_t`: 1024 bits, of which the kernel has 64.
type SignalSet = [u64; 16];

#[repr(C)]
struct SocketAddress {
    family: u16,
    path: [u8; 108],
}

extern "C" {
    fn _exit(code: c_int) -> !;
    fn access(path: *const c_char, mode: c_int) -> c_int;
    fn connect(descriptor: c_int, address: *const SocketAddress, length: u32) -> c_int;
    fn execve(path: *const c_char, argv: *const *const c_char, environ: *const *const c_char) -> c_int;
    fn fcntl(descriptor: c_int, command: c_int, ...) -> c_int;
    fn getauxval(kind: c_ulong) -> c_ulong;
    fn getegid() -> u32;
    fn geteuid() -> u32;
    fn getgroups(size: c_int, groups: *mut u32) -> c_int;
    fn getsockopt(descriptor: c_int, level: c_int, option: c_int, value: *mut u32, length: *mut u32) -> c_int;
    fn prctl(option: c_int, ...) -> c_int;
    fn recv(descriptor: c_int, data: *mut u8, length: usize, flags: c_int) -> isize;
    fn setsockopt(descriptor: c_int, level: c_int, option: c_int, value: *const c_int, length: u32) -> c_int;
    fn sigprocmask(how: c_int, change: *const SignalSet, before: *mut SignalSet) -> c_int;
    fn signal(number: c_int, handler: usize) -> usize;
    fn socket(family: c_int, kind: c_int, protocol: c_int) -> c_int;
}

/// The state for Python where the launcher cannot finish.
type State = String;
/// The state if nothing was sent to the agent.
const DOUBT: &str = "";
/// The state if the agent has answered, and Python has to do the work itself.
const DECLINED: &str = "declined";

#[no_mangle]
pub extern "C" fn main(_count: c_int, argv: *const *const c_char, environ: *const *const c_char) -> c_int {
    // The kernel ends both arrays with a null pointer, and nothing changes them.
    let (words, variables) = unsafe { (strings(argv), strings(environ)) };
    match run(&words, &variables) {
        Ok(code) => exit(code),
        Err(state) => become_python(&state, &words, environ),
    }
}

unsafe fn strings(mut array: *const *const c_char) -> Vec<&'static CStr> {
    let mut texts = Vec::new();
    while !(*array).is_null() {
        texts.push(CStr::from_ptr(*array));
        array = array.add(1);
    }
    texts
}

fn exit(code: c_int) -> ! {
    unsafe { _exit(code) }
}

/// Runs the command line with the agent. A command replaces this process, and an answer is on stdout afterwards.
fn run(argv: &[&CStr], variables: &[&CStr]) -> Result<c_int, State> {
    let words: Vec<&[u8]> = argv.iter().skip(1).map(|word| word.to_bytes()).collect();
    let name = *words.first().ok_or(DOUBT)?;
    let mut environ = inherited(variables);
    if !is_wanted(&environ) || (name != b"exec" && !ANSWERED.contains(&name)) {
        return Err(DOUBT.into());
    }
    prepare_process(name);
    if name == b"exec" {
        let split = words.iter().position(|word| *word == b"--").ok_or(DOUBT)?;
        let command = words.get(split + 1).filter(|_| is_plain(&words[1..split])).ok_or(DOUBT)?;
        let path = value(&environ, b"PATH");
        let program = find(command, path).ok_or(DOUBT)?;
        let data = ask(&words[..split + 2], &environ)?;
        return Err(replace(program, path, &argv[split + 2..], &data));
    }
    let (stdout, own) = (standard_stream(1), words.split(|word| *word == b"--").next().unwrap_or(&words));
    if stdout.metadata().is_err() || stdout.is_terminal() || own.iter().any(|word| OWN_WORK.contains(word)) {
        return Err(DOUBT.into());
    }
    let profile = profile(own);
    environ.retain(|(name, value)| {
        profile.is_empty() || *value != profile || (*name != b"AWS_PROFILE" && *name != b"AWS_DEFAULT_PROFILE")
    });
    let data = ask(&[&[&b"answer"[..]], &words[..]].concat(), &environ)?;
    let fields = unpack(&data).ok_or(DECLINED)?;
    let code = fields.get(1).copied().unwrap_or(b"0");
    let number =
        str::from_utf8(code).ok().filter(|code| !code.starts_with('+')).and_then(|code| code.parse::<u8>().ok());
    match (fields.as_slice(), number) {
        ([answer] | [answer, _], Some(code)) => print(answer, code.into()),
        _ => Err(DECLINED.into()),
    }
}

/// Becomes the Python script beside the launcher.
///
/// SIGINT stays blocked until Python can handle it: Python would print a traceback for a Ctrl-C at its start. A state
/// with an exclamation mark says that it was blocked before.
fn become_python(state: &str, words: &[&CStr], environ: *const *const c_char) -> ! {
    let script = own_folder().and_then(|folder| CString::new([&folder[..], b"/dsops-python"].concat()).ok());
    let (interrupt, mut before): (SignalSet, SignalSet) =
        ([1 << (SIGINT - 1), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0; 16]);
    unsafe { sigprocmask(SIG_BLOCK, &interrupt, &mut before) };
    let mark = if before[0] & interrupt[0] == 0 { "" } else { "!" };
    let handover = CString::new([format!("--launcher={mark}{state}:").as_bytes(), &started_as()].concat());
    if let (Some(script), Ok(handover)) = (script, handover) {
        let mut argv = vec![script.as_ptr(), handover.as_ptr()];
        argv.extend(words.iter().skip(1).map(|word| word.as_ptr()));
        argv.push(ptr::null());
        unsafe { execve(script.as_ptr(), argv.as_ptr(), environ) };
    }
    fail("dsops-python does not start, which belongs beside dsops: install dsops again")
}

fn fail(reason: &str) -> ! {
    // If stderr takes no text, there is no other place for it.
    let _ = standard_stream(2).write_all(format!("dsops: error[launcher]: {reason}\n").as_bytes());
    exit(2)
}

/// A standard stream, which stays open.
fn standard_stream(descriptor: c_int) -> ManuallyDrop<File> {
    ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) })
}

/// Set by Ctrl-C in `hook-load`, where Python has something to print then.
static IS_INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Until the next execve: no core dump or debugger sees secrets, and signals are treated as by Python's client.
fn prepare_process(command: &[u8]) {
    extern "C" fn end(_number: c_int) {
        exit(INTERRUPTED)
    }
    extern "C" fn note(_number: c_int) {
        IS_INTERRUPTED.store(true, Ordering::Relaxed);
    }
    const PR_SET_DUMPABLE: c_int = 4;
    let handler: extern "C" fn(c_int) = if command == b"hook-load" { note } else { end };
    unsafe {
        prctl(PR_SET_DUMPABLE, 0 as c_ulong, 0 as c_ulong, 0 as c_ulong, 0 as c_ulong);
        signal(SIGPIPE, SIG_IGN);
        signal(SIGXFSZ, SIG_IGN);
        if signal(SIGINT, handler as usize) == SIG_IGN {
            signal(SIGINT, SIG_IGN);
        }
    }
}

// --- the command line and the environment ---------------------------------------------------------------------

/// Whether an `exec` with these words, up to `--`, needs only a new environment: flags, and at most one NAME.
fn is_plain(words: &[&[u8]]) -> bool {
    let (mut position, mut has_name) = (0, false);
    while let Some(word) = words.get(position) {
        let name = word.split(|byte| *byte == b'=').next().unwrap_or(word);
        if PLAIN_WITH_VALUE.contains(&name) {
            position += usize::from(name.len() == word.len());
        } else if !PLAIN.contains(word) {
            if has_name || name.is_empty() || name.starts_with(b"-") {
                return false;
            }
            has_name = true;
        }
        position += 1;
    }
    position == words.len()
}

/// The value of the option --for-profile.
fn profile<'a>(words: &[&'a [u8]]) -> &'a [u8] {
    let mut value: &[u8] = b"";
    for (position, word) in words.iter().enumerate() {
        match word.strip_prefix(b"--for-profile") {
            Some([]) => value = words.get(position + 1).copied().unwrap_or_default(),
            Some([b'=', given @ ..]) => value = given,
            _ => (),
        }
    }
    value
}

type Variables<'a> = Vec<(&'a [u8], &'a [u8])>;

fn split_once(entry: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = entry.iter().position(|byte| *byte == b'=')?;
    Some((&entry[..equals], &entry[equals + 1..]))
}

/// The variables of this process as Python sees them: the first of each name, without entries that have no `=`.
fn inherited<'a>(entries: &[&'a CStr]) -> Variables<'a> {
    let mut seen = HashSet::new();
    let pairs = entries.iter().filter_map(|entry| split_once(entry.to_bytes()));
    pairs.filter(|(name, _)| seen.insert(*name)).collect()
}

/// The variables of a result. None for fields that are not an environment.
fn returned<'a>(fields: &[&'a [u8]]) -> Option<Variables<'a>> {
    let mut seen = HashSet::new();
    let is_variable = |pair: &(&'a [u8], &[u8])| !pair.0.is_empty() && seen.insert(pair.0);
    let pairs: Option<Variables> = fields.iter().map(|field| split_once(field)).collect();
    pairs.filter(|pairs| pairs.iter().all(is_variable))
}

fn value<'a>(variables: &Variables<'a>, wanted: &[u8]) -> &'a [u8] {
    let missing = if wanted == b"PATH" { DEFAULT_PATH } else { b"" };
    variables.iter().find(|(name, _)| *name == wanted).map_or(missing, |pair| pair.1)
}

/// Whether an agent may be used, and a Python that starts now would import the modules that the agent has.
fn is_wanted(environ: &Variables) -> bool {
    value(environ, b"CI").is_empty()
        && !OFF.contains(&value(environ, b"DSOPS_AGENT").to_ascii_lowercase().as_slice())
        && matches!(value(environ, b"DSOPS_NO_AGENT"), b"" | b"0")
        && value(environ, b"LD_PRELOAD").is_empty()
        && environ.iter().all(|(name, _)| !name.starts_with(b"PYTHON") || HARMLESS.contains(name))
}

/// The executable file that a shell would run for that name.
fn find(name: &[u8], path: &[u8]) -> Option<CString> {
    const X_OK: c_int = 1;
    for folder in path.split(|byte| *byte == b':') {
        let is_path = name.contains(&b'/');
        let folder = if folder.is_empty() { b"." } else { folder };
        let candidate = if is_path { name.to_vec() } else { [folder, b"/", name].concat() };
        let candidate = CString::new(candidate).ok()?;
        let file = Path::new(OsStr::from_bytes(candidate.to_bytes()));
        if unsafe { access(candidate.as_ptr(), X_OK) } == 0 {
            return if file.is_dir() { None } else { Some(candidate) };
        }
        if is_path || fs::symlink_metadata(file).is_ok() {
            return None;
        }
    }
    None
}

/// The path that this process was started by: `/home/ada/.local/bin/dsops`, also if that is a symbolic link.
fn started_as() -> Vec<u8> {
    const AT_EXECFN: c_ulong = 31;
    let path = unsafe { getauxval(AT_EXECFN) } as *const c_char;
    // The kernel's string lives as long as the process.
    if path.is_null() {
        Vec::new()
    } else {
        unsafe { CStr::from_ptr(path) }.to_bytes().to_vec()
    }
}

/// The folder of the launcher's file, without symbolic links.
fn own_folder() -> Option<Vec<u8>> {
    let file = fs::read_link("/proc/self/exe").or_else(|_| fs::canonicalize(OsStr::from_bytes(&started_as())));
    Some(file.ok()?.parent()?.as_os_str().as_bytes().to_vec())
}

// --- the agent ------------------------------------------------------------------------------------------------

/// What identifies this installation to the agent, and the path of the agent's socket (`client.stamp`, `address_in`).
fn stamp_and_address(folder: &[u8]) -> Option<(String, Vec<u8>)> {
    let own = own_folder()?;
    let bin = Path::new(OsStr::from_bytes(&own));
    let prefix = bin.parent()?;
    let python = fs::metadata(bin.join("python3")).ok()?;
    let of_python = |name: &[u8]| name.starts_with(b"python3.");
    let mut packages: Vec<PathBuf> = match PACKAGE {
        Some(package) => vec![package.into()],
        None => {
            let folders = fs::read_dir(prefix.join("lib")).ok()?.flatten();
            let folders = folders.filter(|entry| of_python(entry.file_name().as_bytes()));
            folders.map(|entry| entry.path().join("site-packages/dsops")).collect()
        }
    };
    packages.retain(|package| package.join("agent/client.py").exists());
    let [package] = packages.as_slice() else { return None };
    let client = fs::metadata(package.join("agent/client.py")).ok()?;
    let changed = |status: &fs::Metadata| i128::from(status.mtime()) * 1_000_000_000 + i128::from(status.mtime_nsec());
    let stamp = format!("{VERSION} {:x} {} {}", python.ino(), changed(&python), changed(&client));

    let inode = |path: &Path| fs::metadata(path).ok().map(|status| format!("{} {}", status.dev(), status.ino()));
    let root = format!("{} {} {:?}", inode(Path::new("/"))?, unsafe { getegid() }, groups()?);
    let mut parts: Vec<Vec<u8>> = [inode(prefix)?, inode(&package.join("agent"))?, root].map(String::into_bytes).into();
    for name in ["mnt", "net", "pid", "user"] {
        let namespace = fs::read_link(format!("/proc/self/ns/{name}")).unwrap_or_default();
        parts.push(namespace.into_os_string().into_vec());
    }
    let mut number: u64 = 0xCBF2_9CE4_8422_2325;
    for byte in parts.join(&0) {
        number = (number ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
    }
    Some((stamp, [folder, format!("/{number:016x}").as_bytes()].concat()))
}

fn groups() -> Option<Vec<u32>> {
    let count = unsafe { getgroups(0, ptr::null_mut()) };
    let mut groups = vec![0; usize::try_from(count).ok()?];
    let is_complete = unsafe { getgroups(count, groups.as_mut_ptr()) } == count;
    groups.sort_unstable();
    is_complete.then_some(groups)
}

/// The folder of the agent's socket, if it belongs to this user, is closed to others and is no symbolic link.
fn safe_folder(environ: &Variables) -> Option<Vec<u8>> {
    let user = unsafe { geteuid() };
    let mut folder = value(environ, b"XDG_RUNTIME_DIR");
    let is_runtime = folder.starts_with(b"/") && folder.len() < 60;
    while let Some(shorter) = folder.strip_suffix(b"/") {
        folder = shorter;
    }
    let own = format!("/tmp/dsops-{user}");
    let folder = if is_runtime { [folder, b"/dsops"].concat() } else { own.into_bytes() };
    let status = fs::symlink_metadata(OsStr::from_bytes(&folder)).ok()?;
    (status.mode() & 0o170_077 == 0o040_000 && status.uid() == user).then_some(folder)
}

/// A connection to an agent of this user. Its descriptor is never that of a standard stream.
fn connection(path: &[u8]) -> Option<UnixStream> {
    const AF_UNIX: u16 = 1;
    const SO_PEERCRED: c_int = 17;
    let mut address = SocketAddress { family: AF_UNIX, path: [0; 108] };
    address.path[..107].get_mut(..path.len())?.copy_from_slice(path);
    let mut peer = [0; 3]; // struct ucred: pid, uid, gid (unix(7))
    let mut length = 12;
    unsafe {
        let lowest = socket(AF_UNIX.into(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        let mut socket = (lowest >= 0).then(|| OwnedFd::from_raw_fd(lowest))?;
        if lowest < 3 {
            socket = socket.try_clone().ok()?;
        }
        let descriptor = socket.as_raw_fd();
        let is_of_user = connect(descriptor, &address, size_of::<SocketAddress>() as u32) == 0
            && getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, peer.as_mut_ptr(), &mut length) == 0
            && length == 12
            && peer[1] == geteuid();
        let stream = is_of_user.then(|| UnixStream::from(socket))?;
        stream.set_nonblocking(false).ok().map(|()| stream)
    }
}

/// Sends the words to the agent and returns the data of its result. In every other case Python goes on from there.
fn ask(words: &[&[u8]], environ: &Variables) -> Result<Vec<u8>, State> {
    let folder = safe_folder(environ).ok_or(DOUBT)?;
    let (stamp, address) = stamp_and_address(&folder).ok_or(DOUBT)?;
    let cwd = env::current_dir().map_err(|_| DOUBT)?;
    let watches: &[u8] = if standard_stream(2).is_terminal() { b"1" } else { b"" };
    let count = words.len().to_string();
    let mut request = vec![b'R', 0, 0, 0, 0];
    for field in [stamp.as_bytes(), cwd.as_os_str().as_bytes(), watches, count.as_bytes()].iter().chain(words) {
        pack(&mut request, &[field]);
    }
    for (name, value) in environ {
        pack(&mut request, &[name, b"=", value]);
    }
    let length = request.len() - 5;
    if length > LONGEST {
        return Err(DOUBT.into());
    }
    request[1..5].copy_from_slice(&(length as u32).to_be_bytes());
    let stream = connection(&address).ok_or(DOUBT)?;
    let until = Instant::now() + HEARD;
    let mut agent = Agent { stream, seconds: HEARD, until, is_silent_then: true, has_code: false };
    agent.send(&request)?;
    agent.result()
}

/// Appends a field, whose parts are joined, after its length.
fn pack(data: &mut Vec<u8>, parts: &[&[u8]]) {
    let field = parts.concat();
    data.extend((field.len() as u32).to_be_bytes());
    data.extend(field);
}

/// Splits data into its fields. None for data that `pack` can't have made.
fn unpack(mut data: &[u8]) -> Option<Vec<&[u8]>> {
    let mut fields = Vec::new();
    while !data.is_empty() {
        let (head, rest) = data.split_first_chunk()?;
        let (field, left) = rest.split_at_checked(u32::from_be_bytes(*head) as usize)?;
        fields.push(field);
        data = left;
    }
    Some(fields)
}

/// Whether a call failed only because the other side is not ready, or a signal came.
fn is_for_now(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// A connection to the agent while a request runs.
struct Agent {
    stream: UnixStream,
    /// How long the next frame may take.
    seconds: Duration,
    /// When Python takes over, which then waits for `seconds` again, or not at all if the agent was silent.
    until: Instant,
    is_silent_then: bool,
    /// Whether the agent may have used an MFA code for this request.
    has_code: bool,
}

impl Agent {
    /// Leaves the connection to Python, with every frame that was not read.
    fn hand_over(&self, seconds: Duration) -> State {
        let descriptor = unsafe { fcntl(self.stream.as_raw_fd(), F_DUPFD, 3) };
        format!("asked,{descriptor},{},{}", seconds.as_secs(), u8::from(self.has_code))
    }

    /// The time that is left until Python takes over.
    fn left(&self) -> Result<Option<Duration>, State> {
        if IS_INTERRUPTED.load(Ordering::Relaxed) {
            return Err("interrupted".into());
        }
        match self.until.saturating_duration_since(Instant::now()) {
            Duration::ZERO if self.is_silent_then => Err(self.hand_over(Duration::ZERO)),
            Duration::ZERO => Err(self.hand_over(self.seconds)),
            left => Ok(Some(left)),
        }
    }

    fn send(&mut self, mut data: &[u8]) -> Result<(), State> {
        while !data.is_empty() {
            let is_set = self.stream.set_write_timeout(self.left()?);
            match is_set.and_then(|()| self.stream.write(data)) {
                Ok(sent) => data = data.get(sent..).unwrap_or_default(),
                Err(error) if is_for_now(&error) => (),
                Err(_) => return Err("failed".into()),
            }
        }
        Ok(())
    }

    /// Reads frames up to the agent's result. Python reads a frame with a question, an error or a wrong kind.
    ///
    /// Events of a fast run show nothing. They stay unread until their run has ended or may become slow.
    fn result(&mut self) -> Result<Vec<u8>, State> {
        // Each recv() with MSG_PEEK begins where the last one ended (socket(7)).
        const SO_PEEK_OFF: c_int = 42;
        let is_set = unsafe { setsockopt(self.stream.as_raw_fd(), SOL_SOCKET, SO_PEEK_OFF, &0, 4) } == 0;
        let patience = Instant::now() + PATIENCE;
        let mut unread = 0;
        while is_set && Instant::now() < patience {
            if unread == 0 {
                (self.until, self.is_silent_then) = (Instant::now() + self.seconds, true);
            }
            let head = self.receive(5, MSG_PEEK)?;
            let (kind, length) = head.split_first_chunk().ok_or_else(|| self.hand_over(self.seconds))?;
            let length = length.try_into().map_or(usize::MAX, |length| u32::from_be_bytes(length) as usize);
            if length > LONGEST || !b"XHACNE".contains(&kind[0]) {
                break;
            }
            if kind == b"E" {
                let event = self.receive(length, MSG_PEEK)?;
                if !unpack(&event).is_some_and(|fields| fields.len() % 2 == 1 && !NOTES.contains(&fields[0])) {
                    break;
                }
                if unread == 0 {
                    (self.until, self.is_silent_then) = (Instant::now() + FAST, false);
                }
                unread += head.len() + length;
                self.seconds = SILENT;
                continue;
            }
            (self.until, self.is_silent_then) = (Instant::now() + self.seconds, true);
            self.receive(unread + head.len(), 0)?;
            let data = self.receive(length, 0)?;
            (unread, self.seconds) = (0, SILENT);
            match kind {
                b"X" => return Ok(data),
                b"C" => self.has_code = true,
                b"N" => drop(standard_stream(2).write(&data)),
                _ => (),
            }
        }
        Err(self.hand_over(self.seconds))
    }

    /// Reads so many bytes. At the end of the stream, Python reads the end.
    fn receive(&self, length: usize, flags: c_int) -> Result<Vec<u8>, State> {
        let (mut data, mut position) = (vec![0; length], 0);
        while let Some(left) = data.get_mut(position..).filter(|left| !left.is_empty()) {
            self.stream.set_read_timeout(self.left()?).map_err(|_| self.hand_over(self.seconds))?;
            match unsafe { recv(self.stream.as_raw_fd(), left.as_mut_ptr(), left.len(), flags) } {
                received if received > 0 => position += received as usize,
                -1 if is_for_now(&Error::last_os_error()) => (),
                _ => return Err(self.hand_over(self.seconds)),
            }
        }
        Ok(data)
    }
}

// --- the end of a run -----------------------------------------------------------------------------------------

/// Replaces this process with the command. Returns the state for Python if that fails.
fn replace(mut program: CString, path: &[u8], argv: &[&CStr], data: &[u8]) -> State {
    let Some(environ) = unpack(data).and_then(|fields| returned(&fields)) else { return DECLINED.into() };
    let new_path = value(&environ, b"PATH");
    if new_path != path {
        match argv.first().and_then(|name| find(name.to_bytes(), new_path)) {
            Some(found) => program = found,
            None => return DECLINED.into(),
        }
    }
    let lines = environ.iter().map(|(name, value)| CString::new([name, &b"="[..], value].concat()));
    let Ok(lines) = lines.collect::<Result<Vec<_>, _>>() else { return DECLINED.into() };
    let environ: Vec<_> = lines.iter().map(|line| line.as_ptr()).chain([ptr::null()]).collect();
    let argv: Vec<_> = argv.iter().map(|word| word.as_ptr()).chain([ptr::null()]).collect();
    unsafe {
        // The program would inherit ignored signals, but not a handler.
        signal(SIGPIPE, SIG_DFL);
        signal(SIGXFSZ, SIG_DFL);
        execve(program.as_ptr(), argv.as_ptr(), environ.as_ptr());
    }
    DECLINED.into()
}

/// Writes the answer to stdout. After an error, Python gets what is left through a pipe, and reports the error.
fn print(answer: &[u8], code: c_int) -> Result<c_int, State> {
    let written = if answer.is_empty() { 0 } else { standard_stream(1).write(answer).unwrap_or(0) };
    let left = answer.get(written..).unwrap_or_default();
    if left.is_empty() {
        return Ok(code);
    }
    // The pipe has to take all of it, or the write would wait for Python.
    const F_SETPIPE_SZ: c_int = 1031;
    if let (Ok((reader, mut writer)), Ok(length)) = (pipe(), c_int::try_from(left.len())) {
        let is_large = unsafe { fcntl(writer.as_raw_fd(), F_SETPIPE_SZ, length) } >= length;
        if is_large && writer.write_all(left).is_ok() {
            return Err(format!("answered,{},{code}", unsafe { fcntl(reader.as_raw_fd(), F_DUPFD, 3) }));
        }
    }
    fail("the answer could not be written to stdout")
}
