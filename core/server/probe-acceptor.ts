import type { ServerStreamAcceptor } from '../api/http-server.js';
import { IGNORE_REST, sendPlain } from '../telemetry/plain-answer.js';
import { livenessAnswer, type ModelReadiness, readinessAnswer } from './probe-answers.js';
import type { ProbeBoard } from './probe-board.js';

/** Serves `/liveness`, `/health` and `/readiness` (GET and HEAD) and nothing else, without filters. */
export function createProbeAcceptor(board: ProbeBoard, table: () => ModelReadiness): ServerStreamAcceptor {
  return (stream, { method, path: target }) => {
    const mark = target.indexOf('?');
    const path = mark < 0 ? target : target.slice(0, mark);
    if (path !== '/liveness' && path !== '/health' && path !== '/readiness') {
      sendPlain(stream, method, 404, 'text/plain', 'not found\n');
    } else if (method !== 'GET' && method !== 'HEAD') {
      sendPlain(stream, method, 405, 'text/plain', 'method not allowed\n');
    } else {
      const model = mark < 0 ? null : new URLSearchParams(target.slice(mark)).get('model');
      const isReadiness = path === '/readiness';
      const { status, body } = isReadiness
        ? readinessAnswer(board, table(), model ?? undefined, true)
        : livenessAnswer(board);
      if (typeof body === 'string') sendPlain(stream, method, status, 'text/plain; charset=utf-8', body);
      else sendPlain(stream, method, status, 'application/json', JSON.stringify(body));
    }
    return IGNORE_REST;
  };
}
