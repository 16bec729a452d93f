//! Owns what a child sees of our environment: the variables named here and no others, so that a
//! secret of one service never reaches another. It knows nothing of how variables get there.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use super::LaunchSpec;
use crate::marker::MARKER_VARIABLE;

/// The variables a child inherits from us where they are set. Everything else must be configured.
///
/// They are what a program needs to find itself, its user's files and caches, the network's proxies
/// and certificate authorities, and, for `npx` and `uvx`, where packages come from. Credentials,
/// agents' sockets and anything that injects code (`LD_PRELOAD`, `NODE_OPTIONS`, `PYTHONPATH`) are
/// left out on purpose.
pub const INHERITED: &[&str] = &[
    // The user and the system.
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TZDIR",
    "TMPDIR",
    "TEMP",
    "TMP",
    "HOSTNAME",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_CONFIG_DIRS",
    "XDG_DATA_HOME",
    "XDG_DATA_DIRS",
    "XDG_STATE_HOME",
    "XDG_RUNTIME_DIR",
    // Proxies: tools differ on which case they read.
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    // Private certificate authorities.
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NIX_SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "NODE_USE_SYSTEM_CA",
    "GIT_SSL_CAINFO",
    // Where node, npm and npx find versions, packages and caches.
    "NVM_DIR",
    "FNM_DIR",
    "VOLTA_HOME",
    "COREPACK_HOME",
    "PNPM_HOME",
    "BUN_INSTALL",
    "DENO_DIR",
    "npm_config_registry",
    "npm_config_cafile",
    "npm_config_cache",
    "npm_config_prefix",
    "npm_config_userconfig",
    "npm_config_proxy",
    "npm_config_https_proxy",
    "npm_config_noproxy",
    "NPM_CONFIG_REGISTRY",
    "NPM_CONFIG_CAFILE",
    "NPM_CONFIG_CACHE",
    "NPM_CONFIG_PREFIX",
    "NPM_CONFIG_USERCONFIG",
    "NPM_CONFIG_PROXY",
    "NPM_CONFIG_HTTPS_PROXY",
    "NPM_CONFIG_NOPROXY",
    // The same for python, uv, uvx, pip and pipx.
    "PYENV_ROOT",
    "ASDF_DIR",
    "ASDF_DATA_DIR",
    "MISE_DATA_DIR",
    "PIPX_HOME",
    "PIPX_BIN_DIR",
    "UV_CACHE_DIR",
    "UV_TOOL_DIR",
    "UV_TOOL_BIN_DIR",
    "UV_PYTHON_INSTALL_DIR",
    "UV_CONFIG_FILE",
    "UV_INDEX",
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_INDEX_STRATEGY",
    "UV_NATIVE_TLS",
    "UV_SYSTEM_CERTS",
    "UV_OFFLINE",
    "UV_PYTHON_INSTALL_MIRROR",
    "PIP_CONFIG_FILE",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_CERT",
    "PIP_CACHE_DIR",
];

/// Variables whose names begin with one of these are inherited too: the locale's categories.
pub const INHERITED_PREFIXES: &[&str] = &["LC_"];

/// The complete environment of the child that `spec` describes.
pub(super) fn of(spec: &LaunchSpec) -> Vec<(OsString, OsString)> {
    assemble(std::env::vars_os(), spec)
}

/// The allowed part of `ours`, then what is configured, then the marker.
pub(super) fn assemble(
    ours: impl Iterator<Item = (OsString, OsString)>,
    spec: &LaunchSpec,
) -> Vec<(OsString, OsString)> {
    let mut variables: BTreeMap<OsString, OsString> =
        ours.filter(|(name, _)| is_inherited(name)).collect();
    variables.extend(spec.env.iter().cloned());
    variables.insert(MARKER_VARIABLE.into(), spec.marker.to_string().into());
    variables.into_iter().collect()
}

fn is_inherited(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| {
        INHERITED.contains(&name)
            || INHERITED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    })
}
