//! SOAP as vim25 speaks it: one operation, one envelope, answers and faults read by the strict reader; the session's cookie is
//! kept between runs and renewed once when the server has forgotten it.

use reqwest::Method;
use url::Url;

use crate::base::limits;
use crate::handlers::client::{Client, Request};
use crate::handlers::context::Session;
use crate::handlers::{Answer, Connection, Cx, Kind, Secret, Trouble};
use crate::xml::{Document, ElementRef, escaped_text};

pub(super) const VIM: &str = "urn:vim25";
const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// A vCenter, signed in when it is first asked for something that needs it.
pub(super) struct VCenter {
    client: Client,
    url: Url,
    user: String,
    secret: Secret,
    session: Session,
    pub(super) name: String,
}

/// The managed objects behind everything else.
pub(super) struct Content {
    pub(super) root: String,
    pub(super) collector: String,
    pub(super) views: String,
    sessions: String,
}

/// A fault of the service: its type in vim25, and its words.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) kind: String,
    pub(super) words: String,
}

/// Why a call failed.
pub(super) enum Failed {
    Fault(Fault),
    Trouble(Trouble),
}

impl From<Trouble> for Failed {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl Failed {
    /// No modelled failure is meant by a fault.
    pub(super) fn trouble(self) -> Trouble {
        match self {
            Self::Fault(fault) => Trouble::wrong(format!("vCenter refused: {} ({})", fault.words, fault.kind)),
            Self::Trouble(trouble) => trouble,
        }
    }
}

impl VCenter {
    pub(super) fn new(cx: &Cx, connection: &str) -> Answer<Self> {
        let connection: Connection = cx.connection(connection, &[Kind::Vcenter])?;
        let user = connection
            .user
            .clone()
            .ok_or_else(|| Trouble::wrong(format!("connection `{}` has no user", connection.name)))?;
        Ok(Self {
            client: cx.client(&connection)?,
            url: connection.url().map_err(Trouble::Wrong)?,
            user,
            secret: cx.secret_of(&connection)?,
            session: cx.session(&connection),
            name: connection.name,
        })
    }

    /// Needs no session.
    pub(super) async fn content(&self) -> Result<Content, Failed> {
        let asked = object("_this", "ServiceInstance", "ServiceInstance");
        let answer = self.exchange("RetrieveServiceContent", &asked, None).await?;
        let told = returned(&answer.document)?;
        let part = |name: &str| child_text(told, name).unwrap_or_default();
        Ok(Content {
            root: part("rootFolder"),
            collector: part("propertyCollector"),
            views: part("viewManager"),
            sessions: part("sessionManager"),
        })
    }

    /// One operation under the session; `body` is its inner XML.
    pub(super) async fn call(&self, content: &Content, operation: &str, body: &str) -> Result<Document, Failed> {
        let mut cookie = self.cookie(content, None).await?;
        for last in [false, true] {
            match self.exchange(operation, body, Some(&cookie)).await {
                Err(Failed::Fault(fault)) if fault.kind == "NotAuthenticated" && !last => {
                    cookie = self.cookie(content, Some(&cookie)).await?;
                }
                Ok(answer) => return Ok(answer.document),
                Err(failed) => return Err(failed),
            }
        }
        unreachable!("the second exchange is the last")
    }

    /// The kept session's cookie, or a new one in place of the one that was refused.
    async fn cookie(&self, content: &Content, refused: Option<&str>) -> Result<String, Failed> {
        let mut kept = self.session.lock().await;
        if let Some(cookie) = kept.as_deref().filter(|own| Some(*own) != refused) {
            return Ok(cookie.to_owned());
        }
        let body = format!(
            "{}<userName>{}</userName><password>{}</password>",
            object("_this", "SessionManager", &content.sessions),
            escaped_text(&self.user),
            escaped_text(self.secret.expose())
        );
        let answer = self.exchange("Login", &body, None).await?;
        let cookie =
            answer.cookie.ok_or_else(|| Trouble::broken(format!("vCenter ({}) gave no session", self.name)))?;
        *kept = Some(cookie.clone());
        Ok(cookie)
    }

    async fn exchange(&self, operation: &str, body: &str, cookie: Option<&str>) -> Result<Reply, Failed> {
        let envelope = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soapenv:Envelope xmlns:soapenv=\"{ENVELOPE}\" xmlns:xsi=\"{XSI}\"><soapenv:Body><{operation} xmlns=\"{VIM}\">{body}</{operation}></soapenv:Body></soapenv:Envelope>"
        );
        let mut request = Request::new(Method::POST, self.url.clone());
        request.header("content-type", "text/xml; charset=utf-8")?;
        request.header("soapaction", "urn:vim25/6.5")?;
        if let Some(cookie) = cookie {
            request.header("cookie", cookie)?;
        }
        request.body = Some(envelope.into_bytes());
        request.most = limits::XML_BYTES_MAX;
        let reply = self.client.send(request).await?;
        if reply.status != 200 && reply.status != 500 {
            let words = format!("vCenter ({}) answered status {}", self.name, reply.status);
            return Err(Failed::Trouble(match reply.status {
                429 | 501.. => Trouble::broken(words),
                _ => Trouble::wrong(format!("{words}: is its address that of /sdk?")),
            }));
        }
        let document = Document::parse(&reply.body)
            .map_err(|found| Trouble::broken(format!("vCenter ({}) answered no XML: {found}", self.name)))?;
        if let Some(fault) = fault(&document) {
            return Err(Failed::Fault(fault));
        }
        let cookie = reply.headers.get("set-cookie");
        let cookie = cookie.and_then(|set| set.split(';').next()).map(str::to_owned);
        Ok(Reply { document, cookie })
    }
}

struct Reply {
    document: Document,
    cookie: Option<String>,
}

fn body(document: &Document) -> Option<ElementRef<'_>> {
    document.root().child(ENVELOPE, "Body")?.children().next()
}

fn fault(document: &Document) -> Option<Fault> {
    let fault = body(document).filter(|one| one.is(ENVELOPE, "Fault"))?;
    let words = fault.child("", "faultstring");
    let detail = fault.child("", "detail").and_then(|detail| detail.children().next());
    let kind = detail.and_then(|detail| {
        let named = detail.attribute_ns(XSI, "type").map(local);
        named.or_else(|| detail.name().strip_suffix("Fault"))
    });
    Some(Fault {
        kind: kind.unwrap_or("SystemError").to_owned(),
        words: words.map(|words| words.text().into_owned()).unwrap_or_default(),
    })
}

/// `returnval` of an answer.
pub(super) fn returned(document: &Document) -> Answer<ElementRef<'_>> {
    body(document)
        .and_then(|answer| answer.child(VIM, "returnval"))
        .ok_or_else(|| Trouble::broken("vCenter answered without a result"))
}

/// As `returned`, where there may be none.
pub(super) fn returned_maybe(document: &Document) -> Option<ElementRef<'_>> {
    body(document)?.child(VIM, "returnval")
}

pub(super) fn child_text(element: ElementRef<'_>, name: &str) -> Option<String> {
    element.child(VIM, name).map(|child| child.text().into_owned())
}

/// The vim25 type of a value, without prefix.
pub(super) fn type_of(element: ElementRef<'_>) -> &str {
    element.attribute_ns(XSI, "type").map_or("", local)
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// A reference to a managed object.
pub(super) fn object(tag: &str, kind: &str, moref: &str) -> String {
    format!("<{tag} type=\"{kind}\">{}</{tag}>", escaped_text(moref))
}
