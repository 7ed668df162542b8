FROM node:22-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# native parts come as packages of their own: no install script is needed, none is run
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:22-bookworm-slim
# rbd, which sources and targets on Ceph call
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates ceph-common \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
USER node
# signals reach the process itself: SIGTERM drains
ENTRYPOINT ["node", "/app/dist/cli/main.js"]
CMD ["run"]
