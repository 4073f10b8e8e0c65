//! The packages of the workspace with the layer each folder puts it in.

use std::path::Path;

use serde_json::Value;

use super::ask;

/// A folder under `crates/` is a layer; the root package is the server's binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    Domain,
    Protocol,
    Edge,
    Engine,
    Server,
    Testkit,
    /// `xtask`: outside the product.
    Tool,
}

impl Layer {
    /// The layer of a package folder relative to the root (`""` is the root itself); `None` is a folder the design does not know.
    pub(crate) fn of(folder: &str) -> Option<Layer> {
        let mut parts = folder.split('/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(""), None, None) => Some(Layer::Server),
            (Some("xtask"), None, None) => Some(Layer::Tool),
            (Some("crates"), Some("engine"), None) => Some(Layer::Engine),
            (Some("crates"), Some("domain"), Some(_)) => Some(Layer::Domain),
            (Some("crates"), Some("protocol"), Some(_)) => Some(Layer::Protocol),
            (Some("crates"), Some("edge"), Some(_)) => Some(Layer::Edge),
            (Some("crates"), Some("server"), Some(_)) => Some(Layer::Server),
            (Some("crates"), Some("testkit"), Some(_)) => Some(Layer::Testkit),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DependencyKind {
    Normal,
    Build,
    Dev,
}

#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: DependencyKind,
}

#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Relative to the root; empty for the root package.
    pub(crate) folder: String,
    /// The text of its `Cargo.toml`, to find lines in.
    pub(crate) manifest: String,
    pub(crate) dependencies: Vec<Dependency>,
}

impl Package {
    pub(crate) fn manifest_path(&self) -> String {
        if self.folder.is_empty() {
            "Cargo.toml".to_owned()
        } else {
            format!("{}/Cargo.toml", self.folder)
        }
    }

    pub(crate) fn layer(&self) -> Option<Layer> {
        Layer::of(&self.folder)
    }

    /// The last line that begins with `name` as a key: in the root manifest `[workspace.dependencies]` comes first and
    /// the package's own table after it. Line 1 when the key is spelled in another way.
    pub(crate) fn line_of(&self, name: &str) -> usize {
        let is_key = |line: &str| {
            line.trim_start()
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
        };
        self.manifest
            .lines()
            .enumerate()
            .filter(|(_, line)| is_key(line))
            .last()
            .map_or(1, |(index, _)| index + 1)
    }
}

pub(crate) struct Workspace {
    pub(crate) packages: Vec<Package>,
}

impl Workspace {
    /// Asks cargo for the members and their direct dependencies. The resolve graph is left out on purpose: it unifies
    /// features over the whole workspace, so it cannot say what one crate alone pulls in (see `purity`).
    ///
    /// # Errors
    /// When cargo refuses a manifest or a manifest cannot be read.
    pub(crate) fn read(root: &Path) -> Result<Workspace, String> {
        let json = ask(
            root,
            "cargo",
            &["metadata", "--no-deps", "--format-version", "1"],
        )?;
        let metadata: Value =
            serde_json::from_str(&json).map_err(|error| format!("cargo metadata: {error}"))?;
        let packages = metadata["packages"]
            .as_array()
            .ok_or("cargo metadata lists no packages")?;
        let packages = packages
            .iter()
            .map(|value| package(root, value))
            .collect::<Result<_, _>>()?;
        Ok(Workspace { packages })
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }
}

fn package(root: &Path, value: &Value) -> Result<Package, String> {
    let text = |key: &str| {
        value[key]
            .as_str()
            .ok_or_else(|| format!("cargo metadata: a package without {key}"))
    };
    let manifest_path = Path::new(text("manifest_path")?);
    let folder = manifest_path
        .parent()
        .and_then(|folder| folder.strip_prefix(root).ok());
    let folder =
        folder.ok_or_else(|| format!("{} lies outside the workspace", manifest_path.display()))?;
    let manifest = std::fs::read_to_string(manifest_path)
        .map_err(|error| format!("{}: {error}", manifest_path.display()))?;
    let dependencies = value["dependencies"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    Ok(Package {
        name: text("name")?.to_owned(),
        folder: folder.to_string_lossy().replace('\\', "/"),
        manifest,
        dependencies: dependencies.iter().filter_map(dependency).collect(),
    })
}

fn dependency(value: &Value) -> Option<Dependency> {
    let kind = match value["kind"].as_str() {
        None => DependencyKind::Normal,
        Some("build") => DependencyKind::Build,
        Some(_) => DependencyKind::Dev,
    };
    Some(Dependency {
        name: value["name"].as_str()?.to_owned(),
        kind,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_layers() {
        assert_eq!(Layer::of(""), Some(Layer::Server));
        assert_eq!(Layer::of("crates/engine"), Some(Layer::Engine));
        assert_eq!(Layer::of("crates/domain/queue"), Some(Layer::Domain));
        assert_eq!(Layer::of("crates/testkit/fakes"), Some(Layer::Testkit));
        assert_eq!(Layer::of("crates/misc/thing"), None);
        assert_eq!(Layer::of("crates/domain"), None);
    }

    #[test]
    fn the_last_table_names_the_line() {
        let manifest = "[workspace.dependencies]\nbytes = \"1\"\nbytestring = \"1\"\n\n[dependencies]\nbytes.workspace = true\n";
        let package = Package {
            name: "hikyaku".to_owned(),
            folder: String::new(),
            manifest: manifest.to_owned(),
            dependencies: Vec::new(),
        };
        assert_eq!(package.line_of("bytes"), 6);
        assert_eq!(package.line_of("bytestring"), 3);
        assert_eq!(package.line_of("absent"), 1);
    }
}
