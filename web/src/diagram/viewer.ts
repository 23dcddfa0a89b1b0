// The diagram viewer and the marks on it. Loaded only where a diagram is shown.
//
// A mark's badges are made once per element; later only their text and class change, because replacing a thousand of them
// takes longer than a frame. Nothing is put into the bottom right corner: the bpmn.io mark stands there.

import NavigatedViewer from 'bpmn-js/lib/NavigatedViewer';
import 'bpmn-js/dist/assets/bpmn-js.css';
import 'bpmn-js/dist/assets/diagram-js.css';
import './diagram.css';

export interface Mark {
  /** Tokens that stand here now. */
  tokens: number;
  incidents: number;
  /** How often the element was completed. */
  done: number;
}

interface Shape extends Box {
  id: string;
  type: string;
  parent?: Shape;
  waypoints?: unknown;
  labelTarget?: unknown;
  businessObject: { name?: string };
}

interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

interface Services {
  canvas: {
    zoom(level?: number | 'fit-viewport', center?: 'auto' | { x: number; y: number }): number;
    addMarker(element: string, marker: string): void;
    removeMarker(element: string, marker: string): void;
    hasMarker(element: string, marker: string): boolean;
    resized(): void;
    viewbox(): { inner: Box; outer: { width: number; height: number } };
    viewbox(box: Box): void;
    scrollToElement(element: string, padding?: number): void;
    getRootElement(): Shape;
    findRoot(element: string): Shape | undefined;
    setRootElement(root: Shape): void;
  };
  overlays: { add(element: string, type: string, overlay: { position: object; html: HTMLElement; scale?: object }): string };
  elementRegistry: { get(id: string): Shape | undefined; forEach(visit: (shape: Shape) => void): void };
  eventBus: { on(event: string, listener: (event: { element: Shape }) => void): void };
  zoomScroll: { toggle(enabled?: boolean): boolean };
}

type BadgeKind = 'token' | 'incident' | 'finished';

/** Activities have their icon at the top left, events and gateways their name below. */
function place(kind: BadgeKind, { width, height }: Shape): object {
  const isActivity = height > 50;
  switch (kind) {
    case 'token':
      return isActivity ? { bottom: 12, left: -12 } : { top: -14, left: -14 };
    case 'incident':
      return { top: -12, right: isActivity ? 14 : 4 };
    case 'finished':
      return { top: -12, left: width / 2 - 12 };
  }
}

/** A drawing that fills its frame to the edge looks cut off. */
const MARGIN = 0.94;
/** Below this zoom names cannot be read. */
const READABLE = 0.55;

const MARKERS = ['is-active', 'is-failed', 'is-finished'] as const;

export class Diagram {
  private readonly viewer: NavigatedViewer;
  private readonly badges = new Map<string, HTMLElement>();
  private marked = new Set<string>();
  private selected: string | null = null;
  /** Whoever looks for an element moved the canvas: leave it where it is. */
  private touched = false;

  constructor(
    container: HTMLElement,
    select: (element: string | null) => void,
  ) {
    this.viewer = new NavigatedViewer({ container });
    const bus = this.service('eventBus');
    bus.on('element.click', ({ element }) => {
      const target = element.labelTarget ? (element.labelTarget as Shape) : element;
      select(target.parent && !target.waypoints ? target.id : null);
    });
    // The wheel scrolls the page until the diagram is used.
    this.service('zoomScroll').toggle(false);
    container.addEventListener('pointerdown', () => {
      this.touched = true;
      this.service('zoomScroll').toggle(true);
    });
    container.addEventListener('pointerleave', () => this.service('zoomScroll').toggle(false));
  }

  async show(xml: string) {
    this.badges.clear();
    this.marked.clear();
    await this.viewer.importXML(xml);
    this.fit();
  }

  /** Shows all of the diagram, but a small one not larger than drawn. */
  fit() {
    const canvas = this.service('canvas');
    canvas.resized();
    canvas.zoom('fit-viewport', 'auto');
    canvas.zoom(Math.min(1, canvas.zoom() * MARGIN), 'auto');
  }

  /** After a change of the container's size. */
  resized() {
    if (this.touched) this.service('canvas').resized();
    else this.fit();
  }

  zoom(factor: number) {
    this.touched = true;
    const canvas = this.service('canvas');
    canvas.zoom(Math.min(4, Math.max(0.1, canvas.zoom() * factor)), 'auto');
  }

  mark(marks: ReadonlyMap<string, Mark>) {
    const registry = this.service('elementRegistry');
    for (const id of this.marked) if (!marks.has(id)) this.draw(id, { tokens: 0, incidents: 0, done: 0 });
    for (const [id, mark] of marks) if (registry.get(id)) this.draw(id, mark);
    const isFirst = this.marked.size === 0;
    this.marked = new Set(marks.keys());
    if (isFirst && !this.touched) this.approach(marks);
  }

  /** A large diagram is not shrunk beyond reading: it opens where something happens. */
  private approach(marks: ReadonlyMap<string, Mark>) {
    const canvas = this.service('canvas');
    const registry = this.service('elementRegistry');
    const root = canvas.getRootElement();
    const shapes = [...marks].map(([id, mark]) => ({ shape: registry.get(id), mark })).filter(({ shape }) => shape && canvas.findRoot(shape.id) === root);
    const live = shapes.find(({ mark }) => mark.incidents > 0) ?? shapes.find(({ mark }) => mark.tokens > 0);
    if (canvas.zoom() >= READABLE || !live?.shape) return;
    const { x, y, width, height } = live.shape;
    const view = canvas.viewbox();
    const [w, h] = [view.outer.width / READABLE, view.outer.height / READABLE];
    // Not beyond the edges of the drawing, so that no half of the view is empty.
    const within = (centre: number, size: number, from: number, length: number) =>
      length <= size ? from + (length - size) / 2 : Math.min(Math.max(centre - size / 2, from - 20), from + length - size + 20);
    const { inner } = view;
    canvas.viewbox({ x: within(x + width / 2, w, inner.x, inner.width), y: within(y + height / 2, h, inner.y, inner.height), width: w, height: h });
    this.touched = true;
  }

  select(id: string | null) {
    const canvas = this.service('canvas');
    const registry = this.service('elementRegistry');
    if (this.selected && registry.get(this.selected)) canvas.removeMarker(this.selected, 'is-selected');
    this.selected = id;
    if (!id || !registry.get(id)) return;
    canvas.addMarker(id, 'is-selected');
    const root = canvas.findRoot(id);
    if (root && root !== canvas.getRootElement()) canvas.setRootElement(root);
    canvas.scrollToElement(id, 40);
  }

  destroy() {
    this.viewer.destroy();
  }

  private draw(id: string, { tokens, incidents, done }: Mark) {
    const canvas = this.service('canvas');
    const wanted = { 'is-active': tokens > 0 && incidents === 0, 'is-failed': incidents > 0, 'is-finished': done > 0 && tokens === 0 && incidents === 0 };
    for (const marker of MARKERS) {
      if (wanted[marker] && !canvas.hasMarker(id, marker)) canvas.addMarker(id, marker);
      if (!wanted[marker] && canvas.hasMarker(id, marker)) canvas.removeMarker(id, marker);
    }
    this.badge(id, 'token', tokens, tokens === 1 ? '1 token is here' : `${tokens} tokens are here`);
    this.badge(id, 'incident', incidents, incidents === 1 ? '1 incident' : `${incidents} incidents`);
    this.badge(id, 'finished', done > 1 ? done : 0, `completed ${done} times`);
  }

  private badge(id: string, kind: BadgeKind, count: number, title: string) {
    const key = `${kind} ${id}`;
    let badge = this.badges.get(key);
    if (!badge) {
      if (count === 0) return;
      badge = document.createElement('span');
      badge.className = `mark mark-${kind}`;
      const shape = this.service('elementRegistry').get(id);
      if (!shape) return;
      this.service('overlays').add(id, kind, { position: place(kind, shape), html: badge, scale: { min: 0.8, max: 1.2 } });
      this.badges.set(key, badge);
    }
    const text = String(count);
    if (badge.textContent !== text) badge.textContent = text;
    badge.hidden = count === 0;
    badge.title = title;
  }

  private service<Name extends keyof Services>(name: Name): Services[Name] {
    return this.viewer.get<Services[Name]>(name);
  }
}
