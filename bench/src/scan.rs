//! Where the parts of a JSON-RPC message are, found without building anything.
//!
//! Owns a single pass over the bytes that remembers positions. Must not know who sent the message.
//! Strings are not decoded: what this benchmark compares needs no escapes.

#[cfg(test)]
mod tests;

/// Where something stands in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

impl Span {
    /// The bytes themselves.
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start..self.end]
    }
}

/// The parts of a message that the programs here act on. Strings are without their quotes, `id`
/// and `token` are whole values.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// `id`
    pub id: Option<Span>,
    /// `method`
    pub method: Option<Span>,
    /// `params.name`
    pub name: Option<Span>,
    /// `params.arguments.text`, or `result.content[0].text`
    pub text: Option<Span>,
    /// `params.arguments.bytes`
    pub bytes: Option<Span>,
    /// `params._meta.progressToken`, or `params.progressToken`
    pub token: Option<Span>,
    /// `result`
    pub result: Option<Span>,
    /// `error`
    pub error: Option<Span>,
}

/// Finds the parts of a message; `None` when it is no JSON object.
pub fn message(bytes: &[u8]) -> Option<Message> {
    let mut found = Message::default();
    let mut cursor = Cursor { bytes, at: 0 };
    cursor.object(|key, cursor| {
        match key {
            b"id" => found.id = Some(cursor.value()?),
            b"method" => cursor.string_into(&mut found.method)?,
            b"params" => params(cursor, &mut found)?,
            b"result" => {
                cursor.space();
                let start = cursor.at;
                result(cursor, &mut found)?;
                found.result = Some(Span { start, end: cursor.at });
            }
            b"error" => found.error = Some(cursor.value()?),
            _ => drop(cursor.value()?),
        }
        Some(())
    })?;
    Some(found)
}

fn params(cursor: &mut Cursor<'_>, found: &mut Message) -> Option<()> {
    cursor.object(|key, cursor| {
        match key {
            b"name" => cursor.string_into(&mut found.name)?,
            b"progressToken" => found.token = Some(cursor.value()?),
            b"arguments" => cursor.object(|key, cursor| {
                match key {
                    b"text" => cursor.string_into(&mut found.text)?,
                    b"bytes" => found.bytes = Some(cursor.value()?),
                    _ => drop(cursor.value()?),
                }
                Some(())
            })?,
            b"_meta" => cursor.object(|key, cursor| {
                let value = cursor.value()?;
                if key == b"progressToken" {
                    found.token = Some(value);
                }
                Some(())
            })?,
            _ => drop(cursor.value()?),
        }
        Some(())
    })
}

fn result(cursor: &mut Cursor<'_>, found: &mut Message) -> Option<()> {
    cursor.object(|key, cursor| {
        if key != b"content" {
            cursor.value()?;
            return Some(());
        }
        cursor.array(|cursor| {
            cursor.object(|key, cursor| {
                if key == b"text" && found.text.is_none() {
                    cursor.string_into(&mut found.text)?;
                } else {
                    cursor.value()?;
                }
                Some(())
            })
        })
    })
}

/// A place in the bytes. Every method gives `None` where the bytes are not what it is for.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.space();
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Visits the members of an object; `visit` moves past the value. Another kind of value is
    /// passed over.
    fn object(&mut self, mut visit: impl FnMut(&'a [u8], &mut Self) -> Option<()>) -> Option<()> {
        self.space();
        if self.peek()? != b'{' {
            return self.value().map(drop);
        }
        self.at += 1;
        self.space();
        while self.peek()? != b'}' {
            let key = self.string()?;
            self.take(b':')?;
            visit(key.of(self.bytes), self)?;
            self.space();
            if self.peek()? == b',' {
                self.at += 1;
                self.space();
            }
        }
        self.at += 1;
        Some(())
    }

    /// The same for an array.
    fn array(&mut self, mut visit: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.space();
        if self.peek()? != b'[' {
            return self.value().map(drop);
        }
        self.at += 1;
        self.space();
        while self.peek()? != b']' {
            visit(self)?;
            self.space();
            if self.peek()? == b',' {
                self.at += 1;
                self.space();
            }
        }
        self.at += 1;
        Some(())
    }

    /// Moves past a string and gives what is between its quotes.
    fn string(&mut self) -> Option<Span> {
        self.take(b'"')?;
        let start = self.at;
        loop {
            self.at += memchr::memchr2(b'"', b'\\', &self.bytes[self.at..])?;
            if self.bytes[self.at] == b'"' {
                self.at += 1;
                return Some(Span { start, end: self.at - 1 });
            }
            self.at = (self.at + 2).min(self.bytes.len());
        }
    }

    /// Moves past a value and remembers where it is if it is a string.
    fn string_into(&mut self, place: &mut Option<Span>) -> Option<()> {
        self.space();
        if self.peek()? == b'"' {
            *place = Some(self.string()?);
        } else {
            self.value()?;
        }
        Some(())
    }

    /// Moves past a value of any kind.
    fn value(&mut self) -> Option<Span> {
        self.space();
        let start = self.at;
        match self.peek()? {
            b'"' => drop(self.string()?),
            b'{' | b'[' => self.nested()?,
            _ => {
                while !matches!(self.peek()?, b',' | b'}' | b']' | b' ' | b'\r' | b'\n' | b'\t') {
                    self.at += 1;
                }
            }
        }
        Some(Span { start, end: self.at })
    }

    fn nested(&mut self) -> Option<()> {
        let mut depth = 0;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }
}
