//! The native launcher: sends a plain command line to the agent as `src/dsops/agent/client.py` does, without Python.
//!
//! In every other case, and in every doubt, this process becomes `dsops-python`, the Python script beside it. So it does if
//! the agent takes longer than `PATIENCE`. The script gets a first word `--launcher=STATE:PATH`
//! (`src/dsops/agent/handover.py`): how far the launcher has come, and the path that it was started by. `client.py`
//! explains the rules; tests/launcher compares both clients; and docs/decisions/0046-launcher.md says why there are two.
//!
//! `main` replaces Rust's own start, which would open /dev/null for each closed standard stream.
#![no_main]

use std::collections::HashSet;
use std::ffi::{c_char, c_int, c_ulong, CStr, CString, OsStr};
use std::fs::{self, File};
use std::io::{Error, ErrorKind, IsTerminal, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::{ffi::OsStrExt, ffi::OsStringExt, fs::MetadataExt, net::UnixStream};
use std::path::{Path, PathBuf};
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

const LONGEST_REQUEST: usize = 1 << 23;
/// Frames stay unread in the socket's buffer until the result is there, so they must fit into it.
const LONGEST_FRAME: usize = 1 << 17;
/// How long the launcher waits for the result. Python then waits for it, shows progress and asks questions.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long events may wait unread: much shorter than the second after which Python shows a line for them.
const FAST: Duration = Duration::from_millis(100);

// The system's interface where `std` has none, with Linux's numbers for x86-64 and aarch64.
const SOCK_STREAM: c_int = 1;
const SOCK_NONBLOCK: c_int = 0o4000;
const SOCK_CLOEXEC: c_int = 0o2000000;
const MSG_PEEK: c_int = 2;
const SOL_SOCKET: c_int = 1;
const F_DUPFD: c_int = 0;
const SIGPIPE: c_int = 13;
const SIGXFSZ: c_int = 25;
const SIG_BLOCK: c_int = 0;
const SIG_SETMASK: c_int = 2;
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
    let mask = change_signal_mask(SIG_BLOCK, &INTERRUPT);
    match run(&words, &variables, &mask) {
        Ok(code) => code,
        Err(state) => become_python(&state, &words, environ, &mask),
    }
}

unsafe fn strings(array: *const *const c_char) -> Vec<&'static CStr> {
    let pointers = (0..).map(|position| *array.add(position)).take_while(|pointer| !pointer.is_null());
    pointers.map(|pointer| CStr::from_ptr(pointer)).collect()
}

/// The set with SIGINT, signal 2. The signal stays blocked until the command starts or the answer is there, or until Python can
/// handle it: Python would print a traceback for a Ctrl-C at its start.
const INTERRUPT: SignalSet = [1 << 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Changes the blocked signals and returns those before.
fn change_signal_mask(how: c_int, change: &SignalSet) -> SignalSet {
    let mut before = [0; 16];
    unsafe { sigprocmask(how, change, &mut before) };
    before
}

/// Runs the command line with the agent. A command replaces this process, and an answer is on stdout afterwards.
fn run(argv: &[&CStr], variables: &[&CStr], mask: &SignalSet) -> Result<c_int, State> {
    let words: Vec<&[u8]> = argv.iter().skip(1).map(|word| word.to_bytes()).collect();
    let name = *words.first().ok_or(DOUBT)?;
    let mut environ = inherited(variables);
    if !is_wanted(&environ) || (name != b"exec" && !ANSWERED.contains(&name)) {
        return Err(DOUBT.into());
    }
    prepare_process();
    if name == b"exec" {
        let split = words.iter().position(|word| *word == b"--").ok_or(DOUBT)?;
        let command = words.get(split + 1).filter(|_| is_plain(&words[1..split])).ok_or(DOUBT)?;
        let path = value(&environ, b"PATH");
        let program = find(command, path).ok_or(DOUBT)?;
        let (_, data) = ask(&words[..split + 2], &environ)?;
        replace(program, path, &argv[split + 2..], &data, mask);
        return Err(DECLINED.into());
    }
    let (stdout, own) = (standard_stream(1), words.split(|word| *word == b"--").next().unwrap_or(&words));
    if stdout.metadata().is_err() || stdout.is_terminal() || own.iter().any(|word| OWN_WORK.contains(word)) {
        return Err(DOUBT.into());
    }
    let profile = profile(own);
    environ.retain(|(name, value)| {
        profile.is_empty() || *value != profile || (*name != b"AWS_PROFILE" && *name != b"AWS_DEFAULT_PROFILE")
    });
    let (agent, data) = ask(&[&[&b"answer"[..]], &words[..]].concat(), &environ)?;
    let fields = unpack(&data).ok_or(DECLINED)?;
    let code = fields.get(1).copied().unwrap_or(b"0");
    let number =
        str::from_utf8(code).ok().filter(|code| !code.starts_with('+')).and_then(|code| code.parse::<u8>().ok());
    match (fields.as_slice(), number) {
        ([answer] | [answer, _], Some(code)) => {
            change_signal_mask(SIG_SETMASK, mask);
            let written = if answer.is_empty() { 0 } else { standard_stream(1).write(answer).unwrap_or(0) };
            // Python writes the rest, and reports the error.
            if written < answer.len() {
                Err(hand_over(&agent, written))
            } else {
                Ok(code.into())
            }
        }
        _ => Err(DECLINED.into()),
    }
}

/// Becomes the Python script beside the launcher, with SIGINT blocked. An exclamation mark before the state says that it
/// was blocked when the launcher started.
fn become_python(state: &str, words: &[&CStr], environ: *const *const c_char, mask: &SignalSet) -> c_int {
    let script = own_folder().and_then(|folder| CString::new([&folder[..], b"/dsops-python"].concat()).ok());
    change_signal_mask(SIG_BLOCK, &INTERRUPT);
    let mark = if mask[0] & INTERRUPT[0] == 0 { "" } else { "!" };
    let handover = CString::new([format!("--launcher={mark}{state}:").as_bytes(), &started_as()].concat());
    if let (Some(script), Ok(handover)) = (script, handover) {
        let mut argv = vec![script.as_ptr(), handover.as_ptr()];
        argv.extend(words.iter().skip(1).map(|word| word.as_ptr()));
        argv.push(ptr::null());
        unsafe { execve(script.as_ptr(), argv.as_ptr(), environ) };
    }
    const WHY: &str = "dsops-python does not start, which belongs beside dsops: install dsops again";
    // If stderr takes no text, there is no other place for it.
    let _ = standard_stream(2).write_all(format!("dsops: error[launcher]: {WHY}\n").as_bytes());
    2
}

/// A standard stream, which stays open.
fn standard_stream(descriptor: c_int) -> ManuallyDrop<File> {
    ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) })
}

/// Until the next execve: no core dump or debugger sees secrets, and signals are treated as by Python's client.
fn prepare_process() {
    const PR_SET_DUMPABLE: c_int = 4;
    unsafe {
        prctl(PR_SET_DUMPABLE, 0 as c_ulong, 0 as c_ulong, 0 as c_ulong, 0 as c_ulong);
        signal(SIGPIPE, SIG_IGN);
        signal(SIGXFSZ, SIG_IGN);
    }
}

// --- the command line and the environment ---------------------------------------------------------------------

/// Whether an `exec` with these words, up to `--`, needs only a new environment: flags, and at most one NAME.
fn is_plain(words: &[&[u8]]) -> bool {
    let mut names = 0;
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let name = word.split(|byte| *byte == b'=').next().unwrap_or(word);
        if PLAIN_WITH_VALUE.contains(&name) {
            if name.len() == word.len() && rest.next().is_none() {
                return false;
            }
        } else if !PLAIN.contains(word) {
            if name.is_empty() || name.starts_with(b"-") {
                return false;
            }
            names += 1;
        }
    }
    names <= 1
}

/// The value of the option --for-profile.
fn profile<'a>(words: &[&'a [u8]]) -> &'a [u8] {
    let value = |position: usize| match words[position].strip_prefix(b"--for-profile")? {
        [] => Some(words.get(position + 1).copied().unwrap_or_default()),
        [b'=', given @ ..] => Some(given),
        _ => None,
    };
    (0..words.len()).rev().find_map(value).unwrap_or_default()
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
    let missing = if wanted == b"PATH" { &b"/bin:/usr/bin"[..] } else { b"" };
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
    let folders = if name.contains(&b'/') { b"" } else { path };
    for folder in folders.split(|byte| *byte == b':') {
        let folder = if folder.is_empty() { b"." } else { folder };
        let candidate = if name.contains(&b'/') { name.to_vec() } else { [folder, b"/", name].concat() };
        let file = PathBuf::from(OsStr::from_bytes(&candidate));
        let candidate = CString::new(candidate).ok()?;
        if unsafe { access(candidate.as_ptr(), X_OK) } == 0 {
            return (!file.is_dir()).then_some(candidate);
        }
        if fs::symlink_metadata(file).is_ok() {
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
    let path = (!path.is_null()).then(|| unsafe { CStr::from_ptr(path) });
    path.map(|path| path.to_bytes().to_vec()).unwrap_or_default()
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
    let mut packages: Vec<PathBuf> = PACKAGE.into_iter().map(PathBuf::from).collect();
    if packages.is_empty() {
        for folder in fs::read_dir(prefix.join("lib")).ok()?.flatten() {
            if folder.file_name().as_bytes().starts_with(b"python3.") {
                packages.push(folder.path().join("site-packages/dsops"));
            }
        }
    }
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
    let folder = value(environ, b"XDG_RUNTIME_DIR");
    let is_runtime = folder.starts_with(b"/") && folder.len() < 60;
    let end = folder.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    let folder =
        if is_runtime { [&folder[..end], b"/dsops"].concat() } else { format!("/tmp/dsops-{user}").into_bytes() };
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
        let mut agent = (lowest >= 0).then(|| UnixStream::from_raw_fd(lowest))?;
        if lowest < 3 {
            agent = agent.try_clone().ok()?;
        }
        let is_of_user = connect(agent.as_raw_fd(), &address, size_of::<SocketAddress>() as u32) == 0
            && getsockopt(agent.as_raw_fd(), SOL_SOCKET, SO_PEERCRED, peer.as_mut_ptr(), &mut length) == 0
            && length == 12
            && peer[1] == geteuid();
        agent.set_nonblocking(false).ok()?;
        is_of_user.then_some(agent)
    }
}

/// Sends the words to the agent and returns the data of its result. In every other case Python goes on from there.
fn ask(words: &[&[u8]], environ: &Variables) -> Result<(UnixStream, Vec<u8>), State> {
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
    if length > LONGEST_REQUEST {
        return Err(DOUBT.into());
    }
    request[1..5].copy_from_slice(&(length as u32).to_be_bytes());
    let mut agent = connection(&address).ok_or(DOUBT)?;
    let is_sent = agent.set_write_timeout(Some(PATIENCE)).and_then(|()| agent.write_all(&request));
    if is_sent.is_err_and(|error| error.kind() != ErrorKind::WouldBlock) {
        return Err("failed".into());
    }
    match result(&agent) {
        Some(data) => Ok((agent, data)),
        None => Err(hand_over(&agent, 0)),
    }
}

/// The state that leaves the connection to Python, with all frames of the agent, and so many bytes of the answer on stdout.
fn hand_over(agent: &UnixStream, written: usize) -> State {
    let descriptor = unsafe { fcntl(agent.as_raw_fd(), F_DUPFD, 3) };
    format!("asked,{descriptor},{written}")
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

/// The data of the agent's result, if no frame before it needs Python. All frames stay unread for Python.
fn result(agent: &UnixStream) -> Option<Vec<u8>> {
    // Each recv() with MSG_PEEK begins where the last one ended (socket(7)).
    const SO_PEEK_OFF: c_int = 42;
    if unsafe { setsockopt(agent.as_raw_fd(), SOL_SOCKET, SO_PEEK_OFF, &0, 4) } != 0 {
        return None;
    }
    let mut until = Instant::now() + PATIENCE;
    loop {
        let kind = peek(agent, 1, until)?;
        let length = u32::from_be_bytes(peek(agent, 4, until)?.try_into().ok()?) as usize;
        if length > LONGEST_FRAME {
            return None;
        }
        let data = peek(agent, length, until)?;
        match kind[0] {
            b'X' => return Some(data),
            b'E' if is_silent(&data) => until = until.min(Instant::now() + FAST),
            b'H' | b'A' | b'C' => (),
            _ => return None,
        }
    }
}

/// Whether an event shows nothing if the run is fast.
fn is_silent(event: &[u8]) -> bool {
    unpack(event).is_some_and(|fields| fields.len() % 2 == 1 && fields[0] != b"clock.corrected")
}

/// The next bytes of the agent, which stay unread; None if they do not come in time.
fn peek(agent: &UnixStream, length: usize, until: Instant) -> Option<Vec<u8>> {
    let (mut data, mut position) = (vec![0; length], 0);
    while position < length {
        let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        agent.set_read_timeout(Some(left)).ok()?;
        match unsafe { recv(agent.as_raw_fd(), data[position..].as_mut_ptr(), length - position, MSG_PEEK) } {
            received if received > 0 => position += received as usize,
            -1 if Error::last_os_error().kind() == ErrorKind::Interrupted => (),
            _ => return None,
        }
    }
    Some(data)
}

// --- the end of a run -----------------------------------------------------------------------------------------

/// Replaces this process with the command, which gets the environment of the result. Returns if that fails.
fn replace(mut program: CString, path: &[u8], argv: &[&CStr], data: &[u8], mask: &SignalSet) -> Option<()> {
    let fields = unpack(data)?;
    let new_path = value(&returned(&fields)?, b"PATH");
    if new_path != path {
        program = find(argv.first()?.to_bytes(), new_path)?;
    }
    let lines = fields.into_iter().map(CString::new).collect::<Result<Vec<_>, _>>().ok()?;
    let environ: Vec<_> = lines.iter().map(|line| line.as_ptr()).chain([ptr::null()]).collect();
    let argv: Vec<_> = argv.iter().map(|word| word.as_ptr()).chain([ptr::null()]).collect();
    change_signal_mask(SIG_SETMASK, mask);
    unsafe {
        signal(SIGPIPE, SIG_DFL);
        signal(SIGXFSZ, SIG_DFL);
        execve(program.as_ptr(), argv.as_ptr(), environ.as_ptr());
    }
    None
}
