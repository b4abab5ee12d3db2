using System.Text.Json.Nodes;

namespace Keyreeve.Server.Admin.Operators;

/// <summary>A registered operator certificate as the admin API writes it.</summary>
internal static class OperatorJson
{
    private static readonly AdminField[] Fields =
    [
        new("thumbprint", FieldKind.Text, "SHA-256 of the certificate, 64 lower-case hexadecimal digits.", ReadOnly: true),
        new("name", FieldKind.Text, "Whose it is, for people.", Required: true),
        new("you", FieldKind.Flag, "The certificate this request was made with.", ReadOnly: true),
    ];

    public static readonly AdminSchema Schema = new("Operator", Fields);

    public static readonly AdminSchema New = new("NewOperator",
    [
        .. Fields,
        new AdminField("certificate", FieldKind.Text, "PEM of a certificate that this server's Operators CA issued.", WriteOnly: true),
        new AdminField("csr", FieldKind.Text, "PEM of a PKCS#10 request; the Operators CA issues a certificate for its key. Instead of certificate.", WriteOnly: true),
    ]);

    public static readonly AdminSchema Created = new("RegisteredOperator",
        [.. Fields, new AdminField("certificate", FieldKind.Text, "PEM of the certificate that was issued for csr, followed by its CA.", ReadOnly: true)]);

    public static JsonObject Write(string thumbprint, string name, AuthenticatedOperator you) => new()
    {
        ["thumbprint"] = thumbprint,
        ["name"] = name,
        ["you"] = thumbprint == you.Thumbprint,
    };
}
