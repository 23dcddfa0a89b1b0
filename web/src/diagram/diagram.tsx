// A diagram on its light canvas, with the controls around it.

import { useEffect, useRef, useState } from 'preact/hooks';
import { Failed, Loading } from '../ui/states';
import type { Diagram, Mark } from './viewer';

interface DiagramViewProps {
  name: string;
  xml: string;
  marks: ReadonlyMap<string, Mark>;
  selected: string | null;
  select: (element: string | null) => void;
}

export function DiagramView({ name, xml, marks, selected, select }: DiagramViewProps) {
  const frame = useRef<HTMLDivElement>(null);
  const container = useRef<HTMLDivElement>(null);
  const [diagram, setDiagram] = useState<Diagram | null>(null);
  const [trouble, setTrouble] = useState<Error | null>(null);
  const onSelect = useRef(select);
  onSelect.current = select;

  useEffect(() => {
    let gone = false;
    let made: Diagram | null = null;
    setTrouble(null);
    const open = async () => {
      const { Diagram } = await import('./viewer');
      if (gone || !container.current) return;
      made = new Diagram(container.current, (element) => onSelect.current(element));
      await made.show(xml);
      if (!gone) setDiagram(made);
    };
    open().catch((error: Error) => {
      if (!gone) setTrouble(error);
    });
    return () => {
      gone = true;
      setDiagram(null);
      made?.destroy();
    };
  }, [xml]);

  useEffect(() => {
    if (!diagram || !container.current) return;
    const observer = new ResizeObserver(() => diagram.resized());
    observer.observe(container.current);
    return () => observer.disconnect();
  }, [diagram]);
  useEffect(() => diagram?.mark(marks), [diagram, marks]);
  useEffect(() => diagram?.select(selected), [diagram, selected]);

  return (
    <div class="diagram" ref={frame}>
      <div class="canvas" ref={container} role="group" aria-label={`Diagram of ${name}`} />
      {!diagram && !trouble && (
        <div class="canvas-cover">
          <Loading what="diagram" />
        </div>
      )}
      {trouble && (
        <div class="canvas-cover">
          <Failed title="This diagram cannot be drawn" error={trouble} />
        </div>
      )}
      {diagram && (
        <div class="canvas-tools" role="group" aria-label="View of the diagram">
          <button type="button" aria-label="Zoom in" title="Zoom in" onClick={() => diagram.zoom(1.25)}>
            +
          </button>
          <button type="button" aria-label="Zoom out" title="Zoom out" onClick={() => diagram.zoom(0.8)}>
            −
          </button>
          <button type="button" onClick={() => diagram.fit()}>
            Fit
          </button>
          <button type="button" onClick={() => void toggleFullScreen(frame.current)}>
            Full screen
          </button>
        </div>
      )}
    </div>
  );
}

async function toggleFullScreen(element: HTMLElement | null) {
  if (document.fullscreenElement) await document.exitFullscreen();
  else await element?.requestFullscreen();
}
