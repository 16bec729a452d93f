//! The socket's file on a real file system.

use std::os::unix::net::UnixListener as StdListener;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn it_is_ours_alone_and_goes_with_us() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("a").join("b");
    let path = folder.join("control.sock");
    let (listener, file) = listen(&path).await.unwrap();
    assert_eq!((mode(&path), mode(&folder)), (0o600, 0o700));
    assert_eq!(file.path(), path);
    let (connected, accepted) = tokio::join!(UnixStream::connect(&path), listener.accept());
    connected.unwrap();
    accepted.unwrap();
    let names: Vec<_> = fs::read_dir(&folder).unwrap().collect();
    assert_eq!(names.len(), 1, "nothing else is left in the folder: {names:?}");
    drop(file);
    assert!(!path.exists());
}

#[tokio::test]
async fn one_that_was_left_behind_is_replaced() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("s");
    drop(StdListener::bind(&path).unwrap());
    assert!(path.exists(), "the standard library leaves the file");
    let (_listener, _file) = listen(&path).await.unwrap();
    assert_eq!(mode(&path), 0o600);
    UnixStream::connect(&path).await.unwrap();
}

#[tokio::test]
async fn one_that_lives_is_left_alone() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("s");
    let (_listener, file) = listen(&path).await.unwrap();
    let error = listen(&path).await.unwrap_err();
    assert!(matches!(error.fault, SocketFault::InUse), "{error}");
    assert!(error.to_string().contains("another process listens there"), "{error}");
    UnixStream::connect(&path).await.unwrap();
    drop(file);
    assert!(!path.exists());
}

#[tokio::test]
async fn another_file_is_left_alone() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("precious");
    fs::write(&path, "text").unwrap();
    let error = listen(&path).await.unwrap_err();
    assert!(matches!(error.fault, SocketFault::NotASocket), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"text");
}

#[tokio::test]
async fn what_another_has_put_in_its_place_is_not_removed() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("s");
    let (_listener, file) = listen(&path).await.unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "another's").unwrap();
    drop(file);
    assert!(path.exists());
}

#[tokio::test]
async fn of_many_that_start_at_once_one_gets_it() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("s");
    drop(StdListener::bind(&path).unwrap());
    let starts: Vec<_> = (0..16)
        .map(|_| {
            let path = path.clone();
            tokio::spawn(async move { listen(&path).await })
        })
        .collect();
    let mut won = Vec::new();
    for start in starts {
        match start.await.unwrap() {
            Ok(made) => won.push(made),
            Err(error) => assert!(matches!(error.fault, SocketFault::InUse), "{error}"),
        }
    }
    assert_eq!(won.len(), 1);
    UnixStream::connect(&path).await.unwrap();
}

#[tokio::test]
async fn a_path_that_is_too_long_is_said_to_be() {
    let scratch = tempfile::tempdir().unwrap();
    for path in
        [scratch.path().join("x".repeat(120)), scratch.path().join("x".repeat(120)).join("s")]
    {
        let error = listen(&path).await.unwrap_err();
        assert!(matches!(error.fault, SocketFault::TooLong(_)), "{error}");
    }
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0, "nothing was made");
}
