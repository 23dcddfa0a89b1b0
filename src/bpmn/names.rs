//! Namespaces as the standards and the modelers write them.

/// BPMN 2.0 and 2.0.2: processes, flow nodes, definitions.
pub const BPMN: &str = "http://www.omg.org/spec/BPMN/20100524/MODEL";
/// The diagram: shapes and edges.
pub const BPMNDI: &str = "http://www.omg.org/spec/BPMN/20100524/DI";
/// Bounds and points.
pub const DC: &str = "http://www.omg.org/spec/DD/20100524/DC";
pub const DI: &str = "http://www.omg.org/spec/DD/20100524/DI";
pub const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
pub const XSD: &str = "http://www.w3.org/2001/XMLSchema";

pub const CAMUNDA: &str = "http://camunda.org/schema/1.0/bpmn";
pub const ACTIVITI: &str = "http://activiti.org/bpmn";
pub const OPERATON: &str = "http://operaton.org/schema/1.0/bpmn";
pub const FLUXNOVA: &str = "http://fluxnova.finos.org/schema/1.0/bpmn";
/// Known for `failedJobRetryTimeCycle` only.
pub const FOX: &str = "http://www.camunda.com/fox";
/// The modeler's own notes, such as the version of the platform.
pub const MODELER: &str = "http://camunda.org/schema/modeler/1.0";

/// DMN, newest first.
pub const DMN: &[&str] = &[
    "https://www.omg.org/spec/DMN/20240513/MODEL/",
    "https://www.omg.org/spec/DMN/20230324/MODEL/",
    "https://www.omg.org/spec/DMN/20211108/MODEL/",
    "https://www.omg.org/spec/DMN/20191111/MODEL/",
    "http://www.omg.org/spec/DMN/20180521/MODEL/",
    "http://www.omg.org/spec/DMN/20151101/dmn.xsd",
    "http://www.omg.org/spec/DMN/20151101/dmn11.xsd",
];
/// The DMN version that 7.x modelers write.
pub const DMN_1_3: &str = "https://www.omg.org/spec/DMN/20191111/MODEL/";
