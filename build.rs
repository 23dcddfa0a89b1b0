//! Builds the web application in `web/` and writes a table of its files for `src/api/assets.rs` to include.
//!
//! `npm ci` runs once per lock file, `vite build` once per change below `web/`; cargo asks neither when nothing changed. A
//! machine without Node, without network, or with `SKIP_WEB=1` still builds the whole server: it then serves one page that
//! says how to get the screens. Sources that do not build are an error like any other, never that page.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What cargo watches. `web/node_modules` is not among it: it follows from the lock file.
const SOURCES: [&str; 7] =
    ["src", "public", "index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts"];
/// Vite refuses an older one.
const NODE_MIN: (u32, u32) = (20, 19);

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SKIP_WEB");
    for source in SOURCES {
        println!("cargo::rerun-if-changed=web/{source}");
    }
    let web = variable("CARGO_MANIFEST_DIR").join("web");
    let out = variable("OUT_DIR");
    let dist = out.join("web");
    match build(&web, &out, &dist) {
        Ok(()) => {}
        Err(Trouble::Unavailable(why)) => {
            println!("cargo::warning=the web application is left out: {why}");
            write_substitute(&dist, &why).expect("OUT_DIR can be written");
        }
        Err(Trouble::Broken(output)) => {
            println!("cargo::error=the web application does not build; run `npm run build` in web/");
            eprintln!("{output}");
            std::process::exit(1);
        }
    }
    fs::write(out.join("assets.rs"), table(&dist).expect("the built files can be listed"))
        .expect("OUT_DIR can be written");
}

enum Trouble {
    /// The machine cannot build it: the page that says so is served instead.
    Unavailable(String),
    /// The sources are wrong.
    Broken(String),
}

fn build(web: &Path, out: &Path, dist: &Path) -> Result<(), Trouble> {
    if env::var_os("SKIP_WEB").is_some_and(|value| !value.is_empty() && value != "0") {
        return Err(Trouble::Unavailable("SKIP_WEB is set".to_owned()));
    }
    if !web.join("package-lock.json").exists() {
        return Err(Trouble::Unavailable("web/package-lock.json is missing".to_owned()));
    }
    check_node()?;
    let (folder, lock) =
        workplace(web, out).map_err(|error| Trouble::Unavailable(format!("no folder to build in: {error}")))?;
    // Held to the end: two builds of one tree share `node_modules`.
    lock.lock().map_err(|error| Trouble::Unavailable(format!("{}: {error}", folder.display())))?;
    install(&folder)?;
    let quality = if env::var("PROFILE").is_ok_and(|profile| profile == "release") { "11" } else { "5" };
    let run = npm(&["run", "--silent", "build"])
        .current_dir(&folder)
        .env("WEB_OUT", dist)
        .env("WEB_BROTLI", quality)
        .output();
    match run {
        Ok(run) if run.status.success() => Ok(()),
        Ok(run) => Err(Trouble::Broken(format!("{}{}", text(&run.stdout), text(&run.stderr)))),
        Err(error) => Err(Trouble::Unavailable(format!("npm does not start: {error}"))),
    }
}

fn check_node() -> Result<(), Trouble> {
    let needed = format!("Node {}.{} or later is needed", NODE_MIN.0, NODE_MIN.1);
    let Ok(run) = Command::new("node").arg("--version").output() else {
        return Err(Trouble::Unavailable(format!("{needed}, and there is none")));
    };
    let version = text(&run.stdout);
    let mut parts = version.trim().trim_start_matches('v').split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if found < NODE_MIN {
        return Err(Trouble::Unavailable(format!("{needed}, this is {}", version.trim())));
    }
    Ok(())
}

/// `web/` itself, or a copy of the sources in `OUT_DIR` where the source tree cannot be written. With the file to lock.
fn workplace(web: &Path, out: &Path) -> io::Result<(PathBuf, File)> {
    if let Ok(lock) = File::create(web.join(".install.lock")) {
        return Ok((web.to_owned(), lock));
    }
    let copy = out.join("web-sources");
    for source in SOURCES {
        copy_tree(&web.join(source), &copy.join(source))?;
    }
    let lock = File::create(copy.join(".install.lock"))?;
    Ok((copy, lock))
}

/// `npm ci`, unless it already ran for this very lock file. Without scripts: nothing here needs one.
fn install(folder: &Path) -> Result<(), Trouble> {
    let stamp = folder.join("node_modules/.installed-from");
    let wanted = fs::read(folder.join("package-lock.json")).map_err(|error| Trouble::Unavailable(error.to_string()))?;
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let run =
        npm(&["ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"]).current_dir(folder).output();
    match run {
        Ok(run) if run.status.success() => {
            fs::write(&stamp, wanted).map_err(|error| Trouble::Unavailable(error.to_string()))
        }
        Ok(run) => Err(Trouble::Unavailable(format!("npm ci failed: {}", reason(&text(&run.stderr))))),
        Err(error) => Err(Trouble::Unavailable(format!("npm does not start: {error}"))),
    }
}

fn npm(arguments: &[&str]) -> Command {
    let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    command.args(arguments).env("npm_config_update_notifier", "false").env("NO_COLOR", "1");
    command
}

/// The lines that name the error, in one line.
fn reason(stderr: &str) -> String {
    let lines = stderr.lines().filter(|line| line.starts_with("npm error")).take(3);
    lines.map(|line| line.trim_start_matches("npm error").trim()).collect::<Vec<_>>().join("; ")
}

fn write_substitute(dist: &Path, why: &str) -> io::Result<()> {
    let _ = fs::remove_dir_all(dist);
    fs::create_dir_all(dist)?;
    let why = why.replace('&', "&amp;").replace('<', "&lt;");
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Transhume</title>\n<style>body{{font:1rem/1.6 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem;color-scheme:light dark}}</style>\n\
         <h1>Transhume is running, without its screens</h1>\n\
         <p>This server was built without the web application: {why}.</p>\n\
         <p>To get it, install Node {}.{} or later with npm, then run <code>touch build.rs</code> and build again, \
         without <code>SKIP_WEB</code>. The first build needs the npm registry.</p>\n\
         <p>Everything the screens do can be done over REST: <code>/engine-rest</code> and <code>/api</code> work.</p>\n</html>\n",
        NODE_MIN.0, NODE_MIN.1
    );
    fs::write(dist.join("index.html"), page)
}

/// Rust source of a sorted table: path, bytes, bytes in brotli.
fn table(dist: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    walk(dist, &mut files)?;
    let path = |file: &Path| file.strip_prefix(dist).expect("walked below it").to_string_lossy().replace('\\', "/");
    files.retain(|file| file.extension() != Some(OsStr::new("br")));
    // As text, not by folder: the server searches it as text.
    files.sort_by_key(|file| path(file));
    let mut rows = String::from("&[\n");
    for file in &files {
        let path = path(file);
        let packed = PathBuf::from(format!("{}.br", file.display()));
        let brotli = if packed.exists() { format!("Some(include_bytes!({packed:?}))") } else { "None".to_owned() };
        rows.push_str(&format!("    Asset {{ path: {path:?}, raw: include_bytes!({file:?}), brotli: {brotli} }},\n"));
    }
    rows.push_str("]\n");
    Ok(rows)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { walk(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(|_| ());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        copy_tree(&from.join(&name), &to.join(&name))?;
    }
    Ok(())
}

fn variable(name: &str) -> PathBuf {
    env::var_os(name).map(PathBuf::from).expect("cargo sets it")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
